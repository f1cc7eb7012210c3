/**
 * Bounded messages on a libp2p stream, one after another: each its length as 4 bytes big-endian, then its bytes.
 *
 * A sender that is killed looks like one that has finished, so the end of a stream means nothing here: a frame is whole
 * when its length says so. Reading never buffers more than the one frame it was asked for, nor more of it than has come.
 * @module
 */
import type { Stream } from "@libp2p/interface";
import { Uint8ArrayList } from "uint8arraylist";
import { TransportError } from "./transport_error.ts";

const LENGTH_BYTES = 4;

/**
 * Queues a frame of these parts, without a copy of them: they must not change any more. Bounded by its size, because a
 * stream of ours carries one frame at a time each way.
 */
export function sendFrame(stream: Stream, ...parts: readonly Uint8Array[]): void {
  const length = new Uint8Array(LENGTH_BYTES);
  new DataView(length.buffer).setUint32(0, parts.reduce((sum, part) => sum + part.length, 0));
  stream.send(new Uint8ArrayList(length, ...parts)); // at once: what is sent alone is encrypted and written alone
}

export interface ReadFrameOptions {
  readonly mostBytes: number;
  /** Ends the wait; the caller also aborts the stream. */
  readonly signal: AbortSignal;
  /** Called whenever bytes arrive, for whoever watches for a stall. */
  readonly onProgress?: () => void;
}

/**
 * Reads the next frame that a stream brings; nothing may follow it before it is answered.
 * @throws {TransportError} if the frame is too large, or cut short.
 */
export function readFrame(stream: Stream, options: ReadFrameOptions): Promise<Uint8Array<ArrayBuffer>> {
  const { mostBytes, signal, onProgress } = options;
  const { promise, resolve, reject } = Promise.withResolvers<Uint8Array<ArrayBuffer>>();
  const header = new Uint8Array(LENGTH_BYTES);
  /** Null until the header has come. */
  let bodyBytes: number | null = null;
  /** Grows with what comes: a length is quickly claimed. */
  let body = new Uint8Array(0);
  let filled = 0; // of the header, then of the body

  const take = (piece: Uint8Array): void => {
    let rest = piece;
    if (bodyBytes === null) {
      const part = rest.subarray(0, LENGTH_BYTES - filled);
      header.set(part, filled);
      filled += part.length;
      rest = rest.subarray(part.length);
      if (filled < LENGTH_BYTES) return;
      const length = new DataView(header.buffer).getUint32(0);
      if (length > mostBytes) {
        throw new TransportError("invalid", `it sends ${length} bytes where at most ${mostBytes} are allowed`);
      }
      bodyBytes = length;
      filled = 0;
    }
    if (rest.length > bodyBytes - filled) {
      throw new TransportError("invalid", "it sends more bytes than it announced");
    }
    if (filled + rest.length > body.length) {
      body = grown(body, { filled, most: bodyBytes, least: filled + rest.length });
    }
    body.set(rest, filled);
    filled += rest.length;
  };
  const onMessage = ({ data }: { data: Uint8Array | Iterable<Uint8Array> }): void => {
    try {
      if (data instanceof Uint8Array) take(data);
      else for (const piece of data) take(piece);
      onProgress?.();
      if (filled === bodyBytes) settle(() => resolve(body.subarray(0, filled)));
    } catch (error) {
      settle(() => reject(error));
    }
  };
  const onEnd = (): void => {
    const wanted = bodyBytes === null ? "its length" : `${bodyBytes} bytes`;
    settle(() => reject(new TransportError("gone", `it ended the stream after ${filled} of ${wanted}`)));
  };
  const onAbort = (): void => settle(() => reject(signal.reason));
  const settle = (act: () => void): void => {
    stream.removeEventListener("message", onMessage);
    stream.removeEventListener("end", onEnd);
    signal.removeEventListener("abort", onAbort);
    act();
  };

  if (signal.aborted) return Promise.reject(signal.reason);
  signal.addEventListener("abort", onAbort);
  stream.addEventListener("end", onEnd);
  stream.addEventListener("message", onMessage);
  if (stream.readableEnded) onEnd();
  return promise;
}

const LEAST_BUFFER_BYTES = 4096;

/** A larger buffer with the same beginning; at most four times what has come, so that claims cost what they bring. */
function grown(
  body: Uint8Array<ArrayBuffer>,
  { filled, least, most }: { readonly filled: number; readonly least: number; readonly most: number },
): Uint8Array<ArrayBuffer> {
  const larger = new Uint8Array(Math.min(most, Math.max(LEAST_BUFFER_BYTES, least, 4 * body.length)));
  larger.set(body.subarray(0, filled));
  return larger;
}
