/**
 * A learner without weights: it trains windows at a steady speed, and its "weights" are the digest of what was folded,
 * in the order in which it was folded. So two peers have equal digests exactly if they folded the same. The noise of its
 * gradients grows with the tokens of the run, as in a real one.
 * @module
 */
import type { Contribution, MergeSide, TrainOrder, Verdict } from "../../p2p/learner.ts";
import { digestOf } from "../../p2p/sync/digest.ts";
import { firstWindows, subtract, union, windowCount } from "../../p2p/sync/ranges.ts";
import type { Digest, GradientStatistics, Offer, PeerId, Range } from "../../p2p/sync/types.ts";
import { chance } from "../chance.ts";

export interface Part {
  readonly blob: { readonly digest: Digest };
  readonly weight: number;
}

/** What can be read of a contribution, in place of its bytes. */
export interface Content {
  readonly author: PeerId;
  readonly isGarbage: boolean;
}

export interface SimLearnerOptions {
  readonly peer: PeerId;
  /** Tokens per second. */
  readonly speed: number;
  readonly contextLength: number;
}

export const INITIAL_WEIGHTS: Digest = digestOf("initial weights");

export function foldWeights(parent: Digest, parts: readonly Part[]): Digest {
  if (parts.length === 0) return parent;
  return digestOf({ parent, folded: parts.map(({ blob, weight }) => ({ blob: blob.digest, weight })) });
}

export function mergeWeights(sides: readonly MergeSide[]): Digest {
  return digestOf({ merged: sides.map(({ weights, share }) => ({ weights, share })) });
}

export class SimLearner {
  /** Weights in memory: lost in a crash. */
  readonly held = new Set<Digest>();
  #order: TrainOrder | null = null;
  #sinceMs = 0;
  #isFrozen = false;
  #uncut: readonly Range[] = [];
  readonly #windowsPerMs: number;
  readonly #options: SimLearnerOptions;

  constructor(options: SimLearnerOptions) {
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
    const steps = Math.ceil(windows / batch);
    this.#uncut = [];
    return {
      round: this.#order?.round ?? 0,
      tokens: windows * this.#options.contextLength,
      steps,
      batch,
      microBatch: batch,
      ranges,
      loss: 1,
      noise: this.#measured(steps),
      speed: this.#options.speed,
      computeMs: windows / this.#windowsPerMs,
      idleMs: 0,
    };
  }

  /** What it says of a contribution with this content, and `p2p/perform.ts` of its author; none: nobody made it. */
  judge(content: Content | undefined, { peer }: Offer): Verdict {
    if (content === undefined || content.isGarbage) {
      return { valid: false, reason: "its contribution cannot be decoded" };
    }
    if (content.author === peer) return { valid: true, norm: 1 };
    return { valid: false, reason: "it is copied: its contribution names another author" };
  }

  freeze(nowMs: number): void {
    this.#advance(nowMs);
    this.#isFrozen = true;
  }

  thaw(nowMs: number): void {
    this.#advance(nowMs);
    this.#isFrozen = false;
  }

  /** What it measured in so many steps: tr Σ about 1000, |G|² from 20 on down. */
  #measured(steps: number): GradientStatistics | null {
    const { measure, tokens = 0, round = 0 } = this.#order ?? {};
    if (measure === undefined || measure.every === 0 || steps === 0) return null;
    const draw = chance(Number.parseInt(digestOf({ noise: this.#options.peer, round }).slice(0, 8), 16));
    const signal = 20 / (1 + tokens / 100_000), sequences = this.#order!.batch;
    return {
      tests: Math.max(1, Math.floor(steps / measure.every)),
      variance: draw.between(900, 1100),
      signal: signal + draw.between(-10, 10) / steps,
      along: draw.between(1, 2) * signal,
      sketch: measure.sketch
        ? { codes: Uint8Array.from({ length: 256 }, () => draw.whole(-100, 110) & 0xff), exponent: -5, sequences }
        : null,
    };
  }

  #advance(nowMs: number): void {
    const elapsedMs = nowMs - this.#sinceMs;
    this.#sinceMs = nowMs;
    if (this.#order === null || this.#isFrozen) return;
    const open = subtract(this.#order.ranges, this.#uncut);
    this.#uncut = union(this.#uncut, firstWindows(open, Math.floor(elapsedMs * this.#windowsPerMs)));
    this.#order = { ...this.#order, ranges: subtract(open, this.#uncut) };
  }
}
