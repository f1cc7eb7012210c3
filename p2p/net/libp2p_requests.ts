/**
 * Requests through libp2p: a stream for each, with a frame each way, a bound on its bytes and one on its silence.
 *
 * Whoever has many requests for one peer asks again on a stream that has had its answer (`kept_streams.ts`). Each side holds a stream until both have ended it, and resets it when the other sends nothing, takes nothing of what
 * it is sent, or keeps its own end open: so whoever dawdles has its slot for no longer than these limits.
 * @module
 */
import type { Connection, Stream } from "@libp2p/interface";
import type { Clock } from "../clock.ts";
import { isPeerId } from "../identity.ts";
import type { PeerId } from "../sync/types.ts";
import { Deadline } from "./deadline.ts";
import { readFrame, sendFrame } from "./frame.ts";
import { KeptStreams } from "./kept_streams.ts";
import { deepMessage } from "./libp2p_errors.ts";
import type { Gate } from "./libp2p_gater.ts";
import type { StarlingNode } from "./libp2p_node.ts";
import { LARGEST_MESSAGE_BYTES, type RequestHandler, type RequestOptions } from "./transport.ts";
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
  readonly clock: Clock;
  /** The connection to use to a peer. */
  readonly connectionTo: (peer: PeerId) => Connection | undefined;
  /** Ends all requests. */
  readonly closing: AbortSignal;
  /** Lets whoever closes wait for work that nobody else awaits. */
  readonly track: (work: Promise<void>) => void;
}

export class Requests {
  readonly #options: RequestsOptions;
  readonly #kept: KeptStreams;

  constructor(options: RequestsOptions) {
    this.#options = options;
    this.#kept = new KeptStreams(options.clock, (stream) => options.track(this.#hangUp(stream)));
  }

  /** As `Transport.request`. */
  async ask(
    to: PeerId,
    name: string,
    request: Uint8Array,
    options: RequestOptions = {},
  ): Promise<Uint8Array<ArrayBuffer>> {
    const { connectionTo, closing, track, clock } = this.#options;
    const connection = connectionTo(to);
    const fail = (kind: TransportError["kind"], because: string, cause?: unknown) =>
      requestError(kind, { to, name, because, cause });
    if (closing.aborted) throw fail("closed", "this transport is closed");
    if (request.length > LARGEST_MESSAGE_BYTES) throw fail("invalid", `${request.length} bytes are too many to ask`);
    if (connection === undefined) throw fail("gone", "it is not connected");

    using whole = new Deadline(LONGEST_REQUEST_MS, { others: [options.signal, closing], clock });
    using stall = new Deadline(STALLED_MS, { others: [whole.signal], clock });
    let stream: Stream | undefined;
    try {
      stream = this.#kept.take(connection, name) ?? await connection.newStream(`/starling/${name}`, {
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
      if (options.isOneOfMany === true) this.#kept.put(connection, name, stream);
      else track(this.#hangUp(stream));
      if (bytes[0] !== ANSWERED) throw fail("refused", "it refused");
      return bytes.subarray(1);
    } catch (error) {
      if (error instanceof TransportError && error.kind === "refused") throw error;
      stream?.abort(asError(error));
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
    const { gate, closing, clock } = this.#options, from = connection.remotePeer.toString();
    using whole = new Deadline(LONGEST_REQUEST_MS, { others: [closing], clock }); // else a byte now and then holds it for ever
    using stall = new Deadline(STALLED_MS, { others: [whole.signal], clock });
    const limits = { whole, stall };
    try {
      if (!isPeerId(from)) throw new TransportError("invalid", "its key is not Ed25519");
      if (!gate.admits(from)) throw new TransportError("invalid", "it is not admitted");
      for (;;) {
        const request = await nextRequest(stream, limits);
        if (request === null) break;
        stall.stop();
        const answer = await unlessAborted(answerOf(handler, from, request), whole.signal);
        stall.restart();
        if (answer === null) sendFrame(stream, Uint8Array.of(REFUSED));
        else sendFrame(stream, Uint8Array.of(ANSWERED), answer);
      }
      await ended(stream, { signal: stall.signal, onProgress: () => stall.restart() });
    } catch (error) {
      stream.abort(asError(error));
    }
  }

  /** The answer is here: what the other side has not taken of the request, it will not need. */
  async #hangUp(stream: Stream): Promise<void> {
    const { closing, clock } = this.#options;
    using stall = new Deadline(STALLED_MS, { others: [closing], clock });
    try {
      await ended(stream, { signal: stall.signal });
    } catch (error) {
      stream.abort(asError(error));
    }
  }
}

/** The asker's next request, when it has taken the answer to the one before; null if it asks no more. */
async function nextRequest(
  stream: Stream,
  { whole, stall }: { readonly whole: Deadline; readonly stall: Deadline },
): Promise<Uint8Array | null> {
  let hasBegun = false;
  using _taken = whenTaken(stream, () => stall.restart());
  try {
    return await readFrame(stream, {
      mostBytes: LARGEST_MESSAGE_BYTES,
      signal: stall.signal,
      onProgress() {
        if (!hasBegun) whole.restart(); // a request is given up after so long, not a stream that carries many
        hasBegun = true;
        stall.restart();
      },
    });
  } catch (error) {
    if (!hasBegun && stream.status === "open" && stream.readableEnded) return null;
    throw error;
  }
}

/** Ends our side when all that was sent is taken, and resolves when the other has ended its own. */
async function ended(
  stream: Stream,
  { signal, onProgress = () => {} }: { readonly signal: AbortSignal; readonly onProgress?: () => void },
): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  using _taken = whenTaken(stream, onProgress);
  stream.addEventListener("close", () => resolve());
  signal.addEventListener("abort", () => resolve());
  await stream.close({ signal });
  if (stream.status === "open") await promise;
  signal.throwIfAborted();
}

/** Calls `act` whenever the other side has taken some of what was sent to it, until disposed. */
function whenTaken(stream: Stream, act: () => void): Disposable {
  let leftBytes = stream.writeBufferLength, isOver = false;
  // The stream sends more just after this event, which also comes when the connection has room for some other stream.
  const onDrain = (): void =>
    queueMicrotask(() => {
      if (isOver || stream.writeBufferLength >= leftBytes) return;
      leftBytes = stream.writeBufferLength;
      act();
    });
  stream.addEventListener("drain", onDrain);
  return {
    [Symbol.dispose]() {
      isOver = true;
      stream.removeEventListener("drain", onDrain);
    },
  };
}

/** @throws the signal's reason as soon as it aborts, even if the work never ends. */
async function unlessAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>();
  const onAbort = (): void => reject(signal.reason);
  signal.addEventListener("abort", onAbort);
  try {
    return await Promise.race([work, promise]);
  } finally {
    signal.removeEventListener("abort", onAbort);
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

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}
