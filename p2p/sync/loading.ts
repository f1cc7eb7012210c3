/**
 * Weights of states that this peer did not fold itself, on their way here: each asked for once at a time, and again
 * after a while if nobody had them.
 * @module
 */
import type { Context } from "./context.ts";
import { inTurn } from "./exchange.ts";
import type { BlobName, Digest, PeerId } from "./types.ts";

/** Peers named as donors of one load: others each time it is tried again. */
const MOST_DONORS = 8;
/** Loads open or failed that are remembered. */
const MOST_LOADS = 32;

/** Weights that nobody of those who were asked had: how often so far, and when to ask again. */
interface Failed {
  readonly count: number;
  readonly retryAtMs: number;
}

export class Loading {
  /** Weights on their way here, with the record of their state. */
  readonly #open = new Map<Digest, { readonly record: Digest; readonly weights: BlobName }>();
  readonly #failed = new Map<Digest, Failed>();

  /** Begins to load the weights of the state after `record`, unless that goes on or has just failed. */
  want(context: Context, record: Digest, { weights, sets, from }: {
    readonly weights: BlobName;
    /** As many as that state has lineages. */
    readonly sets: number;
    readonly from: readonly PeerId[];
  }): void {
    const { digest } = weights, failed = this.#failed.get(digest);
    if (this.#open.has(digest) || this.#open.size >= MOST_LOADS) return;
    if (failed !== undefined && failed.retryAtMs > context.now) return;
    this.#open.set(digest, { record, weights });
    const first = MOST_DONORS * (failed?.count ?? 0);
    context.emit({ kind: "load", weights, sets, from: inTurn(from, { first, most: MOST_DONORS }) });
  }

  /** A load was answered; returns the record of the state that it was for, and the weights, if it was one of these. */
  answered(
    { now }: Context,
    weights: Digest,
    retryInMs: number | null,
  ): { readonly record: Digest; readonly weights: BlobName } | null {
    const open = this.#open.get(weights) ?? null;
    this.#open.delete(weights);
    const count = 1 + (this.#failed.get(weights)?.count ?? 0);
    this.#failed.delete(weights);
    if (open === null || retryInMs === null) return open;
    if (this.#failed.size >= MOST_LOADS) this.#failed.clear();
    this.#failed.set(weights, { count, retryAtMs: now + retryInMs });
    return open;
  }

  /** When the next retry is due. */
  deadline(nowMs: number): number {
    const times = [...this.#failed.values()].map(({ retryAtMs }) => retryAtMs);
    return Math.min(Infinity, ...times.filter((atMs) => atMs > nowMs));
  }
}
