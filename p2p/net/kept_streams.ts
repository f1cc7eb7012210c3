/**
 * Streams that have had their answer and wait for the next request to the same peer: opening one costs more than a piece
 * of a blob does, because its protocol is agreed upon anew.
 *
 * A stream waits for a few seconds, a fraction of the silence that its server bears, so that no request meets a server
 * that is just giving up. It belongs to its connection: a newer one to the same peer has streams of its own.
 * @module
 */
import type { Connection, Stream } from "@libp2p/interface";
import type { Clock } from "../clock.ts";

/** How long a stream waits. */
const LONGEST_WAIT_MS = 5_000;

export class KeptStreams {
  readonly #clock: Clock;
  readonly #hangUp: (stream: Stream) => void;
  /** Of each connection and protocol, what takes a stream out; the last to come is the first to be used. */
  readonly #waiting = new WeakMap<Connection, Map<string, Map<Stream, () => void>>>();

  /** @param hangUp Ends a stream that nobody needs any more. */
  constructor(clock: Clock, hangUp: (stream: Stream) => void) {
    this.#clock = clock;
    this.#hangUp = hangUp;
  }

  /** A stream that waits, which is the caller's then; null if there is none. */
  take(connection: Connection, name: string): Stream | null {
    for (const [stream, takeOut] of [...this.#of(connection, name)].reverse()) {
      takeOut();
      if (isUsable(stream)) return stream;
    }
    return null;
  }

  /** Keeps a stream for the next request, for a while and as long as its other end is open. */
  put(connection: Connection, name: string, stream: Stream): void {
    if (!isUsable(stream)) return this.#hangUp(stream);
    const waiting = this.#of(connection, name);
    const takeOut = (): void => {
      waiting.delete(stream);
      alarm[Symbol.dispose]();
      stream.removeEventListener("end", end);
      stream.removeEventListener("message", end);
    };
    const end = (): void => {
      takeOut();
      this.#hangUp(stream);
    };
    const alarm = this.#clock.alarm(this.#clock.now() + LONGEST_WAIT_MS, end);
    stream.addEventListener("end", end);
    stream.addEventListener("message", end); // nothing was asked
    waiting.set(stream, takeOut);
  }

  #of(connection: Connection, name: string): Map<Stream, () => void> {
    const ofConnection = this.#waiting.get(connection) ?? new Map<string, Map<Stream, () => void>>();
    this.#waiting.set(connection, ofConnection);
    const streams = ofConnection.get(name) ?? new Map<Stream, () => void>();
    ofConnection.set(name, streams);
    return streams;
  }
}

function isUsable(stream: Stream): boolean {
  return stream.status === "open" && !stream.readableEnded;
}
