/**
 * Lines of given rate and delay between members of a memory network, on a test's own clock.
 *
 * A line is one machine's, one direction: what passes through it waits for what was given to it before. An answer takes
 * its donor's line and its reader's, whichever is through later, and the delay.
 * @module
 */
import type { Clock } from "../../p2p/clock.ts";
import type { Transport } from "../../p2p/net/transport.ts";
import { requestError } from "../../p2p/net/transport_error.ts";
import type { PeerId } from "../../p2p/sync/types.ts";

export class MemoryLine {
  passedBytes = 0;
  readonly #bytesPerMs: number;
  #freeAtMs = 0;

  constructor(bitsPerSecond: number) {
    this.#bytesPerMs = bitsPerSecond / 8000;
  }

  /** When these bytes, given now, are through. */
  pass(bytes: number, nowMs: number): number {
    this.passedBytes += bytes;
    return this.#freeAtMs = Math.max(nowMs, this.#freeAtMs) + bytes / this.#bytesPerMs;
  }
}

export interface MemoryLinesOptions {
  readonly clock: Clock;
  /** The reader's. */
  readonly down: MemoryLine;
  /** Donors'; one without a line is as fast as the reader's. */
  readonly up: ReadonlyMap<PeerId, MemoryLine>;
  readonly delayMs: number;
}

export type LinedTransport = Pick<Transport, "request" | "link"> & {
  /** Donors that are making an answer now: a test's clock waits for them, because real work takes no virtual time. */
  readonly busy: number;
  /** What is on its way from this peer never arrives: with `gone`, the reader is told. */
  lose(peer: PeerId, how: "gone" | "silent"): void;
};

/** A reader's transport whose requests take the time that lines take. */
export function throughLines(
  transport: Pick<Transport, "request" | "link">,
  { clock, down, up, delayMs }: MemoryLinesOptions,
): LinedTransport {
  const lost = new Map<PeerId, "gone" | "silent">();
  const open = new Map<() => void, PeerId>();
  let busy = 0;
  return {
    link: (peer) => transport.link(peer),
    get busy() {
      return busy;
    },
    async request(to, name, bytes, options = {}) {
      const gone = () => requestError("gone", { to, name, because: "it disconnected" });
      if (lost.get(to) === "gone") throw gone();
      busy++;
      const answer = await transport.request(to, name, bytes, options).finally(() => busy--);
      const nowMs = clock.now();
      const atMs = Math.max(up.get(to)?.pass(answer.length, nowMs) ?? 0, down.pass(answer.length, nowMs)) + 2 * delayMs;
      const { promise, resolve, reject } = Promise.withResolvers<typeof answer>();
      const lose = () => reject(gone());
      const abort = () => reject(requestError("aborted", { to, name, because: "it was aborted" }));
      open.set(lose, to);
      options.signal?.addEventListener("abort", abort);
      using _arrival = clock.alarm(atMs, () => {
        if (!lost.has(to)) resolve(answer);
      });
      try {
        return await promise;
      } finally {
        open.delete(lose);
        options.signal?.removeEventListener("abort", abort);
      }
    },
    lose(peer, how) {
      lost.set(peer, how);
      if (how === "gone") { for (const [lose, to] of open) if (to === peer) lose(); }
    },
  };
}
