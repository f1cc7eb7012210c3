/**
 * The port through which p2p has weights trained, judged, folded and merged without knowing what weights are.
 *
 * Bytes and digests cross it, never tensors. The runtime implements it (`runtime/learner.ts`); the simulator and the
 * tests have a stub. Calls may overlap; a learner runs folds, merges and judgements in the order asked.
 * @module
 */
import type { Digest, Encoding, GradientStatistics, Offer, Range } from "./sync/types.ts";

/** What a box measures of its gradients' noise. */
export interface Measure {
  /** Every so many inner steps one is measured, and at least one a box; 0: none. */
  readonly every: number;
  /** Whether to project the gradient of the box's first step too. */
  readonly sketch: boolean;
}

/** The learner works no more, whatever it is asked: a thread of it has stopped. */
export class LearnerStoppedError extends Error {
  override readonly name = "LearnerStoppedError";
}

/** What to train next. It replaces the order before it; steps made since the last contribution are kept (rebased). */
export interface TrainOrder {
  readonly round: number;
  /** Weights to start from: a digest that `fold` or `load` has returned. */
  readonly weights: Digest;
  /** Tokens counted before this round: learning-rate schedules go by it. */
  readonly tokens: number;
  /** This peer's whole lease; it trains a prefix of it. */
  readonly ranges: readonly Range[];
  /** Sequences of one inner step of this peer, before what its memory allows. */
  readonly batch: number;
  /** Global batch of the round, in sequences: learning rate and β₂ go by it. */
  readonly globalBatch: number;
  /** What is measured of the gradients' noise. */
  readonly measure: Measure;
  /** How its next contribution is encoded. Whatever comes in by `judge` and `fold` says itself how it is. */
  readonly encoding: Encoding;
  /** How long the box is; the order to contribute ends it. */
  readonly roundMs: number;
}

/** One peer's work of one round. */
export interface Contribution {
  readonly round: number;
  /** Encoded pseudo-gradient (`runtime/state/codec`), or null if no step was made. */
  readonly bytes: Uint8Array<ArrayBuffer> | null;
  readonly tokens: number;
  readonly steps: number;
  readonly batch: number;
  readonly microBatch: number;
  readonly ranges: readonly Range[];
  /** Mean training loss, nats per token; 0 if no step was made. */
  readonly loss: number;
  /** Null if no step was measured. */
  readonly noise: GradientStatistics | null;
  readonly speed: number;
  /** Since the last contribution: time in steps, and time without: nothing to train on, or cutting and rebasing. */
  readonly computeMs: number;
  readonly idleMs: number;
}

export type Verdict =
  | { readonly valid: true; /** Euclidean norm of the decoded contribution. */ readonly norm: number }
  | { readonly valid: false; readonly reason: string };

/** One contribution to a fold, in the order to fold it. */
export interface FoldPart {
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Capped tokens × age discount; the fold divides by the sum over all parts. */
  readonly weight: number;
}

export interface FoldOrder {
  /** Weights of the parent state. */
  readonly parent: Digest;
  /** In the order of peer ids. Empty: the weights stay as they are. */
  readonly parts: readonly FoldPart[];
}

/** How the directions of a fold's parts agree. */
export interface Screen {
  /** One for each part: its cosine to the sum of all others. Null where it took no part. */
  readonly cosines: readonly (number | null)[];
  /** Below it, a part pulls against the others, and it is no chance. */
  readonly threshold: number;
  /** Indices of the parts that were left out of the weights for it. */
  readonly dropped: readonly number[];
}

export interface Folded {
  readonly digest: Digest;
  /** Null if there were too few parts to compare. */
  readonly screen: Screen | null;
}

/** One of two states that become one. */
export interface MergeSide {
  readonly weights: Digest;
  /** Its share in the average, before division by the sum of both; the sum is above 0. */
  readonly share: number;
}

/** The fate of an offer, told to the learner of the peer that made it, for its error feedback. */
export type Fate = "counted" | "lost";

/** Any call may be rejected with a `LearnerStoppedError`. */
export interface Learner {
  /** Names the initial weights of the run; every peer computes the same. */
  initial(): Promise<Digest>;
  /**
   * Takes weights that another peer folded.
   * @throws {Error} with a reason, if the bytes do not fit this run's model.
   */
  load(bytes: Uint8Array<ArrayBuffer>): Promise<Digest>;
  /** The bytes of weights still held, the outer optimizer's momentum included, or null. Their blob digest is `digest`. */
  save(digest: Digest): Promise<Uint8Array<ArrayBuffer> | null>;
  /**
   * Begins with an order at once. Its weights stay held until another names others.
   * @throws {Error} if its weights are not held any more.
   */
  train(order: TrainOrder): void;
  /** Cuts what was trained since the last contribution and goes on training. */
  contribute(): Promise<Contribution>;
  /** Whatever the bytes are, this gives a verdict. */
  judge(bytes: Uint8Array<ArrayBuffer>, offer: Offer): Promise<Verdict>;
  /** Folds on the CPU, bit for bit the same everywhere, and names the result. */
  fold(order: FoldOrder): Promise<Folded>;
  /** Averages two states, momentum alike, on the CPU, bit for bit the same everywhere, and names the result. */
  merge(sides: readonly MergeSide[]): Promise<Digest>;
  /** Held-out loss of weights, nats per token. */
  evaluate(weights: Digest): Promise<number>;
  settle(round: number, fate: Fate): void;
  close(): Promise<void>;
}
