/**
 * A learner without weights: it trains windows at a steady speed, and its "weights" are the digest of what was folded,
 * in the order in which it was folded. So two peers have equal digests exactly if they folded the same.
 * @module
 */
import type { Contribution, MergeSide, TrainOrder } from "../../p2p/learner.ts";
import { digestOf } from "../../p2p/sync/digest.ts";
import { firstWindows, subtract, union, windowCount } from "../../p2p/sync/ranges.ts";
import type { BlobName, Digest, Range } from "../../p2p/sync/types.ts";

const WEIGHTS_BYTES = 400_000;

export interface Part {
  readonly blob: BlobName;
  readonly weight: number;
}

export const INITIAL: BlobName = { digest: digestOf("initial weights"), sizeBytes: WEIGHTS_BYTES };

export function foldWeights(parent: Digest, parts: readonly Part[]): BlobName {
  if (parts.length === 0) return { digest: parent, sizeBytes: WEIGHTS_BYTES };
  const folded = parts.map(({ blob, weight }) => ({ blob: blob.digest, weight }));
  return { digest: digestOf({ parent, folded }), sizeBytes: WEIGHTS_BYTES };
}

export function mergeWeights(sides: readonly MergeSide[]): BlobName {
  return { digest: digestOf({ merged: sides }), sizeBytes: WEIGHTS_BYTES };
}

export class SimLearner {
  /** Weights in memory: lost in a crash. */
  readonly held = new Set<Digest>();
  #order: TrainOrder | null = null;
  #sinceMs = 0;
  #uncut: readonly Range[] = [];
  readonly #windowsPerMs: number;
  readonly #options: { readonly speed: number; readonly contextLength: number };

  constructor(options: { readonly speed: number; readonly contextLength: number }) {
    this.#options = options;
    this.#windowsPerMs = options.speed / options.contextLength / 1000;
  }

  train(nowMs: number, order: TrainOrder): void {
    this.#advance(nowMs);
    this.#order = order;
  }

  contribute(nowMs: number): Omit<Contribution, "bytes"> {
    this.#advance(nowMs);
    const ranges = this.#uncut, windows = windowCount(ranges), batch = this.#order?.batch ?? 1;
    this.#uncut = [];
    return {
      round: this.#order?.round ?? 0,
      tokens: windows * this.#options.contextLength,
      steps: Math.ceil(windows / batch),
      batch,
      microBatch: batch,
      ranges,
      loss: 1,
      speed: this.#options.speed,
      computeMs: windows / this.#windowsPerMs,
      idleMs: 0,
    };
  }

  #advance(nowMs: number): void {
    const elapsedMs = nowMs - this.#sinceMs;
    this.#sinceMs = nowMs;
    if (this.#order === null) return;
    const open = subtract(this.#order.ranges, this.#uncut);
    this.#uncut = union(this.#uncut, firstWindows(open, Math.floor(elapsedMs * this.#windowsPerMs)));
    this.#order = { ...this.#order, ranges: subtract(open, this.#uncut) };
  }
}
