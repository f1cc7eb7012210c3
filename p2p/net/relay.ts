/**
 * The relay for bulk: a peer that two others are connected to passes requests for blobs on between them.
 *
 * A relayed link of libp2p carries control messages and is ended after some MiB, so blobs take this way instead: the
 * reader asks the relay, the relay answers from its own store if it can, waits if it is fetching that blob itself (so
 * the author's uplink carries it once), and otherwise passes the request on and the answer back. Nothing is stored on
 * the way and nothing is believed: the reader checks chunks against the blob's name, as it does with any donor.
 *
 * A request is a byte with the length of the target's peer id, that id, and the request as its target would read it.
 * @module
 */
import { isPeerId } from "../identity.ts";
import { reasonOf } from "../reason.ts";
import type { PeerId } from "../sync/types.ts";
import type { RequestHandler, Transport } from "./transport.ts";
import { requestError, TransportError } from "./transport_error.ts";

const PROTOCOL = "relay/1";
/** Requests passed on at once, for all peers together; more wait for their turn. */
const MOST_FORWARDED = 16;
/** Requests that may wait for a turn; more are refused. */
const MOST_WAITING = 256;

export interface RelayOptions {
  readonly transport: Pick<Transport, "onRequest" | "request" | "link">;
  /** The protocol that is passed on, e.g. "blobs/2". No other is. */
  readonly name: string;
  /** What this peer itself answers, as if it had been asked; null if it cannot. */
  readonly answer: RequestHandler;
  /** Told of every answer that went through this peer for another. */
  readonly onRelayed: (bytes: number) => void;
}

/** Passes requests on until the transport closes. */
export function serveRelay({ transport, name, answer, onRelayed }: RelayOptions): void {
  const turns = new Turns();
  transport.onRequest(PROTOCOL, async (from, bytes) => {
    const asked = parseRequest(bytes);
    if (asked === null || asked.to === from) return null;
    const own = await answer(from, asked.request);
    if (own !== null) {
      onRelayed(own.length);
      return own;
    }
    // One hop: who is reached through another relay is that relay's to serve.
    if (transport.link(asked.to)?.kind !== "direct" || !await turns.take()) return null;
    try {
      const passedOn = await transport.request(asked.to, name, asked.request, { isOneOfMany: true });
      onRelayed(passedOn.length);
      return passedOn;
    } finally {
      turns.giveBack();
    }
  });
}

/**
 * Asks a connected peer, through the relay if there is no direct way to it.
 * @throws {TransportError} as `Transport.request` does.
 */
export function requestBulk(
  transport: Pick<Transport, "request" | "link">,
  to: PeerId,
  name: string,
  request: Uint8Array,
  { signal }: { readonly signal: AbortSignal },
): Promise<Uint8Array<ArrayBuffer>> {
  const link = transport.link(to), options = { signal, isOneOfMany: true };
  if (link?.kind !== "relayed") return transport.request(to, name, request, options);
  return transport.request(link.relay, PROTOCOL, formatRequest(to, request), options).catch((cause: unknown) => {
    const because = `through ${link.relay}: ${reasonOf(cause)}`;
    throw requestError(cause instanceof TransportError ? cause.kind : "gone", { to, name, because, cause });
  });
}

function formatRequest(to: PeerId, request: Uint8Array): Uint8Array {
  const id = new TextEncoder().encode(to);
  const bytes = new Uint8Array(1 + id.length + request.length);
  bytes[0] = id.length;
  bytes.set(id, 1);
  bytes.set(request, 1 + id.length);
  return bytes;
}

function parseRequest(bytes: Uint8Array): { readonly to: PeerId; readonly request: Uint8Array } | null {
  const length = bytes[0] ?? 0;
  const to = new TextDecoder().decode(bytes.subarray(1, 1 + length));
  return isPeerId(to) ? { to, request: bytes.subarray(1 + length) } : null;
}

/** So many at once, the others in the order in which they came. */
class Turns {
  #taken = 0;
  readonly #waiting: (() => void)[] = [];

  /** False: too many wait already. */
  async take(): Promise<boolean> {
    if (this.#taken < MOST_FORWARDED) {
      this.#taken++;
      return true;
    }
    if (this.#waiting.length >= MOST_WAITING) return false;
    await new Promise<void>((resolve) => this.#waiting.push(resolve)); // the turn is handed over, still taken
    return true;
  }

  giveBack(): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#taken--;
    else next();
  }
}
