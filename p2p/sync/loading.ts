/**
 * Weights of states that this peer did not fold itself, on their way here: each asked for once at a time, and again
 * after a while if nobody had them.
 * @module
 */
import type { Context } from "./context.ts";
import type { BlobName, Digest, PeerId } from "./types.ts";

/** Peers named as donors of one load. */
const MOST_DONORS = 8;
/** Loads open or failed that are remembered. */
const MOST_LOADS = 32;

export class Loading {
  /** Weights on their way here, with the record of their state. */
  readonly #open = new Map<Digest, Digest>();
  /** Weights that nobody had, and when to ask again. */
  readonly #retryAtMs = new Map<Digest, number>();

  /** Begins to load the weights of the state after `record`, unless that goes on or has just failed. */
  want(context: Context, record: Digest, { weights, from }: {
    readonly weights: BlobName;
    readonly from: readonly PeerId[];
  }): void {
    const { digest } = weights;
    if (this.#open.has(digest) || this.#open.size >= MOST_LOADS) return;
    if ((this.#retryAtMs.get(digest) ?? context.now) > context.now) return;
    this.#retryAtMs.delete(digest);
    this.#open.set(digest, record);
    context.emit({ kind: "load", weights, from: from.slice(0, MOST_DONORS) });
  }

  /** A load was answered; returns the record of the state that it was for, if it was one of these. */
  answered({ now }: Context, weights: Digest, retryInMs: number | null): Digest | null {
    const record = this.#open.get(weights) ?? null;
    this.#open.delete(weights);
    if (record === null || retryInMs === null) return record;
    if (this.#retryAtMs.size >= MOST_LOADS) this.#retryAtMs.clear();
    this.#retryAtMs.set(weights, now + retryInMs);
    return record;
  }

  /** When the next retry is due. */
  deadline(nowMs: number): number {
    return Math.min(Infinity, ...[...this.#retryAtMs.values()].filter((atMs) => atMs > nowMs));
  }
}
