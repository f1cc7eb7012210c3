/**
 * Requests through libp2p: one stream for each, with a frame each way, a bound on its bytes and one on its silence.
 * @module
 */
import type { Connection, Stream } from "@libp2p/interface";
import { isPeerId } from "../identity.ts";
import type { PeerId } from "../sync/types.ts";
import { Deadline } from "./deadline.ts";
import { readFrame, sendFrame } from "./frame.ts";
import { deepMessage } from "./libp2p_errors.ts";
import type { Gate } from "./libp2p_gater.ts";
import type { StarlingNode } from "./libp2p_node.ts";
import { LARGEST_MESSAGE_BYTES, type RequestHandler } from "./transport.ts";
import { requestError, TransportError } from "./transport_error.ts";

/** A request is given up when nothing has moved for this long. */
const STALLED_MS = 20_000;
/** … and after this long whatever moves. */
const LONGEST_REQUEST_MS = 120_000;
/** Requests of one protocol that one peer may have open with us; more are reset. */
const MOST_STREAMS = 64;
const REFUSED = 0, ANSWERED = 1;

export interface RequestsOptions {
  readonly node: StarlingNode;
  readonly gate: Gate;
  /** The connection to use to a peer. */
  readonly connectionTo: (peer: PeerId) => Connection | undefined;
  /** Ends all requests. */
  readonly closing: AbortSignal;
  /** Lets whoever closes wait for work that nobody else awaits. */
  readonly track: (work: Promise<void>) => void;
}

export class Requests {
  readonly #options: RequestsOptions;

  constructor(options: RequestsOptions) {
    this.#options = options;
  }

  /** As `Transport.request`. */
  async ask(
    to: PeerId,
    name: string,
    request: Uint8Array,
    options: { readonly signal?: AbortSignal } = {},
  ): Promise<Uint8Array<ArrayBuffer>> {
    const { connectionTo, closing, track } = this.#options;
    const connection = connectionTo(to);
    const fail = (kind: TransportError["kind"], because: string, cause?: unknown) =>
      requestError(kind, { to, name, because, cause });
    if (closing.aborted) throw fail("closed", "this transport is closed");
    if (request.length > LARGEST_MESSAGE_BYTES) throw fail("invalid", `${request.length} bytes are too many to ask`);
    if (connection === undefined) throw fail("gone", "it is not connected");

    using whole = new Deadline(LONGEST_REQUEST_MS, [options.signal, closing]);
    using stall = new Deadline(STALLED_MS, [whole.signal]);
    let stream: Stream | undefined;
    try {
      stream = await connection.newStream(`/starling/${name}`, {
        signal: stall.signal,
        maxOutboundStreams: MOST_STREAMS,
        runOnLimitedConnection: true,
      });
      sendFrame(stream, request); // throws if the stream is gone already: nothing may wait for its answer then
      const bytes = await readFrame(stream, {
        mostBytes: LARGEST_MESSAGE_BYTES + 1,
        signal: stall.signal,
        onProgress: () => stall.restart(),
      });
      track(stream.close({ signal: closing }));
      if (bytes[0] !== ANSWERED) throw fail("refused", "it refused");
      return bytes.slice(1);
    } catch (error) {
      if (error instanceof TransportError && error.kind === "refused") throw error;
      stream?.abort(error instanceof Error ? error : new Error(String(error)));
      if (closing.aborted) throw fail("closed", "this transport is closed", error);
      if (options.signal?.aborted) throw fail("aborted", "it was aborted", error);
      if (whole.expired || stall.expired) throw fail("late", "it did not answer in time", error);
      if (error instanceof Error && error.name === "UnsupportedProtocolError") {
        throw fail("refused", "it does not serve this", error);
      }
      if (error instanceof TransportError) throw fail(error.kind, error.message, error);
      throw fail("gone", deepMessage(error), error);
    }
  }

  /** As `Transport.onRequest`. */
  serve(name: string, handler: RequestHandler): void {
    const { node, track } = this.#options;
    const serve = (stream: Stream, connection: Connection): void => track(this.#serve(stream, connection, handler));
    track(
      node.handle(`/starling/${name}`, serve, {
        maxInboundStreams: MOST_STREAMS,
        maxOutboundStreams: MOST_STREAMS,
        runOnLimitedConnection: true,
      }),
    );
  }

  async #serve(stream: Stream, connection: Connection, handler: RequestHandler): Promise<void> {
    const { gate, closing } = this.#options, from = connection.remotePeer.toString();
    using whole = new Deadline(LONGEST_REQUEST_MS, [closing]); // else a byte now and then holds it for ever
    using stall = new Deadline(STALLED_MS, [whole.signal]);
    try {
      if (!isPeerId(from)) throw new TransportError("invalid", "its key is not Ed25519");
      if (!gate.admits(from)) throw new TransportError("invalid", "it is not admitted");
      const request = await readFrame(stream, {
        mostBytes: LARGEST_MESSAGE_BYTES,
        signal: stall.signal,
        onProgress: () => stall.restart(),
      });
      stall.stop();
      const answer = await this.#unlessClosed(answerOf(handler, from, request));
      sendFrame(stream, answer === null ? new Uint8Array([REFUSED]) : prefixed(ANSWERED, answer));
      await stream.close({ signal: closing });
    } catch (error) {
      stream.abort(error instanceof Error ? error : new Error(String(error)));
    }
  }

  /** @throws {TransportError} as soon as the transport closes, even if the work never ends. */
  async #unlessClosed<T>(work: Promise<T>): Promise<T> {
    const { promise, reject } = Promise.withResolvers<never>();
    const { closing } = this.#options;
    const onAbort = (): void => reject(closing.reason);
    closing.addEventListener("abort", onAbort);
    try {
      return await Promise.race([work, promise]);
    } finally {
      closing.removeEventListener("abort", onAbort);
    }
  }
}

/** Throwing refuses, at once or later. */
async function answerOf(handler: RequestHandler, from: PeerId, request: Uint8Array): Promise<Uint8Array | null> {
  try {
    return await handler(from, request);
  } catch {
    return null;
  }
}

function prefixed(first: number, bytes: Uint8Array): Uint8Array {
  const all = new Uint8Array(bytes.length + 1);
  all[0] = first;
  all.set(bytes, 1);
  return all;
}
