/**
 * What libp2p's errors mean, in words for people: what was tried, what answered, and what to do.
 *
 * Causes are told apart by the system's codes (ECONNREFUSED) and by the names of libp2p's errors. Three have neither
 * and are known by their texts: another peer's key, the answer of a relay, and what a listener was refused.
 * @module
 */
import type { PeerId } from "../sync/types.ts";
import { parseRelayed } from "./transport.ts";
import { TransportError } from "./transport_error.ts";

/** Why an address could not be dialled, as far as the dialling side can tell. */
export type DialFailure =
  /** The name of the host is not known. */
  | "no such name"
  /** The host answers that nobody listens on the port. */
  | "refused"
  /** No way leads to the host from here. */
  | "no route"
  /** The address is of a kind that is not spoken here: UDP, QUIC, WebRTC. */
  | "not spoken"
  /** It is this peer's own address. */
  | "itself"
  /** Another peer answers there. */
  | "another peer"
  /** Something answered and hung up: no libp2p, another run's key, or a member list without this peer. */
  | "hung up"
  /** Nothing came back in time. */
  | "no answer"
  /** The peer in between is not connected, or relays nothing. */
  | "no relay"
  /** The peer in between has no link to the other one. */
  | "not at the relay"
  | "other";

const MEANING: Readonly<Record<Exclude<DialFailure, "other">, string>> = {
  "no such name": "that name is not known here. Is it spelt right, and does this machine have name service?",
  "refused": "nothing listens there. Is that peer running, and is the port right?",
  "no route": "that host cannot be reached from here. Is the address right, and are you on the same network?",
  "not spoken": "that kind of address is not spoken here. Wanted one with /tcp/<port>.",
  "itself": "that is this peer itself. Two copies of one identity? Give each its own --state.",
  "another peer": "another peer answers there. Ask for a new ticket.",
  "hung up": "no proper answer. It may be no peer, not admit this one, or belong to a run with another key.",
  "no answer": "no proper answer. It may be behind a firewall, or belong to a run with another key.",
  "no relay": "the peer in between is not connected, or does not relay.",
  "not at the relay": "the peer in between has no place for it: it has not asked for one, or has just gone.",
};

const FAILURE_BY_CODE: Readonly<Record<string, DialFailure>> = {
  ENOTFOUND: "no such name",
  EAI_AGAIN: "no such name",
  ECONNREFUSED: "refused",
  EHOSTUNREACH: "no route",
  ENETUNREACH: "no route",
  EADDRNOTAVAIL: "no route",
  ECONNRESET: "hung up",
  EPIPE: "hung up",
  ETIMEDOUT: "no answer",
};

const FAILURE_BY_NAME: Readonly<Record<string, DialFailure>> = {
  UnexpectedPeerError: "another peer",
  InvalidPeerIdError: "itself",
  NoValidAddressesError: "not spoken",
  EncryptionFailedError: "hung up",
  MuxerUnavailableError: "hung up",
  ConnectionClosedError: "hung up",
  StreamResetError: "hung up",
  TimeoutError: "no answer",
  ConnectionFailedError: "no answer", // how a WebSocket says that it was given up
  AbortError: "no answer",
};

/** Why a dial failed. */
export function dialFailure(address: string, cause: unknown, timedOut: boolean): DialFailure {
  const errors = [...causes(cause)];
  const found = (failureOf: (error: Error) => DialFailure | undefined) =>
    errors.map(failureOf).find((failure) => failure !== undefined);
  if (parseRelayed(address) !== null) {
    if (errors.some(({ name }) => name === "UnsupportedProtocolError" || name === "NoValidAddressesError")) {
      return "no relay";
    }
    if (errors.some(({ message }) => message.includes("NO_RESERVATION"))) return "not at the relay";
  }
  // Noise says that the key is another peer's, but as the same error with which it says that there was no handshake.
  if (errors.some(({ message }) => /does not match expected remote identity/.test(message))) return "another peer";
  return found((error) => FAILURE_BY_CODE["code" in error ? String(error.code) : ""]) ??
    (timedOut ? "no answer" : undefined) ?? found(({ name }) => FAILURE_BY_NAME[name]) ?? webSocketFailure(cause) ??
    "other";
}

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
  const failure = dialFailure(address, cause, timedOut);
  const because = failure === "other" ? deepMessage(cause) : MEANING[failure];
  return new TransportError("unreachable", `Cannot connect to ${address}: ${because}`, { cause });
}

/** The node could not listen where it should. libp2p joins what the system said into one text. */
export function listenError(listen: readonly string[], cause: unknown): TransportError {
  const where = listen.join(" and ");
  const text = deepMessage(cause);
  const remedy = /\bEADDRINUSE\b/.test(text)
    ? "the port is in use by another program. Choose another one, or none to have any free one"
    : /\b(EACCES|EPERM)\b/.test(text)
    ? "this user may not open that port. Choose one above 1023"
    : /\b(EADDRNOTAVAIL|EINVAL)\b/.test(text)
    ? "this machine does not have that address. Choose 0.0.0.0 for all it has"
    : `${text.split("\n", 1)[0]}. Addresses look like /ip4/0.0.0.0/tcp/4001`;
  return new TransportError("no port", `Cannot listen on ${where}: ${remedy}.`, { cause });
}

/** The messages of an error and of those it wraps: libp2p hides what the system said inside. */
export function deepMessage(error: unknown): string {
  if (error instanceof ErrorEvent) return error.message || "the connection failed";
  if (!(error instanceof Error)) return String(error);
  return [...causes(error)].map(({ name, message }) => `${name}: ${message}`).join("; ");
}

/** A WebSocket says what went wrong as an event with a text. */
function webSocketFailure(cause: unknown): DialFailure | undefined {
  if (!(cause instanceof ErrorEvent)) return undefined;
  return /dns|lookup/i.test(cause.message) ? "no such name" : "refused";
}

function* causes(error: unknown, depth = 0): Generator<Error> {
  if (!(error instanceof Error) || depth > 4) return;
  yield error;
  yield* causes(error.cause, depth + 1);
  for (const inner of error instanceof AggregateError ? error.errors : []) yield* causes(inner, depth + 1);
}
