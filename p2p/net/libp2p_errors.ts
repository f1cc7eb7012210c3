/**
 * What libp2p's errors mean, in words for people: what was tried, what answered, and what to do.
 *
 * The causes are told apart by their texts, because libp2p gives most of them no code of their own.
 * @module
 */
import type { PeerId } from "../sync/types.ts";
import { TransportError } from "./transport_error.ts";

/** A peer was reached that takes part in another run, or in none. */
export function otherRunError(peer: PeerId): TransportError {
  return new TransportError(
    "unreachable",
    `Cannot connect to ${peer}: it answered, but did not say that it takes part in this run. ` +
      "Is the ticket of another run, or does another machine run with this peer's key, in a copied folder?",
  );
}

/** A peer hung up when it had learnt who dials. */
export function notAdmittedError(peer: PeerId, self: PeerId): TransportError {
  return new TransportError(
    "refused",
    `Cannot connect to ${peer}: it hung up when it knew who dials. If the run has a list of members, this peer is not on ` +
      `it: ask the run's owner for 'starling members <folder> --allow ${self}'. Else it has too many connections; try later.`,
  );
}

/** An address could not be dialled. */
export function dialError(address: string, cause: unknown, timedOut: boolean): TransportError {
  const text = deepMessage(cause);
  const because = /ECONNREFUSED/.test(text)
    ? "nothing listens there. Is that peer running, and is the port right?"
    : /EHOSTUNREACH|ENETUNREACH|ENOTFOUND/.test(text)
    ? "that host cannot be reached from here. Is the address right, and are you on the same network?"
    : /does not match|UnexpectedPeer|expected peer/i.test(text)
    ? "another peer answers there. Ask for a new ticket."
    : timedOut || /Timeout|ECONNRESET|EPIPE|EncryptionFailed|aborted/i.test(text)
    ? "no proper answer. It may be behind a firewall, or belong to a run with another key."
    : text;
  return new TransportError("unreachable", `Cannot connect to ${address}: ${because}`, { cause });
}

/** The node could not listen where it should. */
export function listenError(listen: readonly string[], cause: unknown): TransportError {
  const where = listen.join(" and ");
  const text = deepMessage(cause);
  const remedy = /EADDRINUSE|in use/i.test(text)
    ? "the port is in use by another program. Choose another one, or none to have any free one"
    : /EACCES|permission/i.test(text)
    ? "this user may not open that port. Choose one above 1023"
    : /EADDRNOTAVAIL/.test(text)
    ? "this machine does not have that address. Choose 0.0.0.0 for all it has"
    : `${text}. Addresses look like /ip4/0.0.0.0/tcp/4001`;
  return new TransportError("no port", `Cannot listen on ${where}: ${remedy}.`, { cause });
}

/** The messages of an error and of those it wraps: libp2p hides what the system said inside. */
export function deepMessage(error: unknown, depth = 0): string {
  if (error instanceof ErrorEvent) return error.message || "the connection failed";
  if (!(error instanceof Error) || depth > 4) return String(error);
  const inner = [error.cause, ...(error instanceof AggregateError ? error.errors : [])]
    .filter((other) => other !== undefined);
  return [`${error.name}: ${error.message}`, ...inner.map((other) => deepMessage(other, depth + 1))].join("; ");
}
