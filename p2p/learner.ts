/**
 * The port through which p2p has weights trained, judged, folded and merged without knowing what weights are.
 *
 * Bytes and digests cross it, never tensors. The runtime implements it (`runtime/learner.ts`); the simulator and the
 * tests have a stub. Calls may overlap, and none waits for another.
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
  readonly lineage: TrainedLineage;
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

/** What an order is to train, of the models that the run trains beside each other. */
export interface TrainedLineage {
  /** Its set of the weights. */
  readonly at: number;
  /** Those of the beginning that are in it: by them the learner knows its own state again, of moments and progress. */
  readonly from: readonly number[];
  /** Those in all that this peer trains in turn: what it has of others is of no use any more. */
  readonly hosted: readonly number[];
  /** The set that people are shown, whichever is trained. */
  readonly leading: number;
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

/**
 * Weights hold one set for each lineage of their state (`sync/lineages.ts`), in the order of the lineages' ids. `at` says
 * which of them; 0 is the first, and mostly the only one.
 */
export type Place = number;

/** Bytes that are somewhere else, and are read to where they are needed, without another copy of all of them. */
export interface Content {
  readonly sizeBytes: number;
  /**
   * Fills `into`, which has their size and may be shared memory.
   * @throws {Error} if they cannot be had.
   */
  readonly readInto: (into: Uint8Array) => Promise<void>;
}

/** Bytes in memory as content. */
export function contentIn(bytes: Uint8Array): Content {
  return { sizeBytes: bytes.length, readInto: (into) => Promise.resolve(into.set(bytes)) };
}

/** Content in memory of its own. @throws {Error} if it cannot be had. */
export async function bytesIn({ sizeBytes, readInto }: Content): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = new Uint8Array(sizeBytes);
  await readInto(bytes);
  return bytes;
}

/** One contribution to a fold, in the order to fold it. */
export interface FoldPart {
  readonly content: Content;
  /** The set of the parent's that it changes. */
  readonly at: Place;
  /** Capped tokens × age discount; the fold divides by the sum over all parts. */
  readonly weight: number;
}

export interface FoldOrder {
  /** Weights of the parent state. */
  readonly parent: Digest;
  /** In the order of peer ids. A set without any stays as it is. */
  readonly parts: readonly FoldPart[];
  /** Two of the folded sets that become one; null: none do. */
  readonly joined: JoinedSets | null;
}

/** Two sets of the same weights that become one, by their shares; those behind the one that is gone move up. */
export interface JoinedSets {
  /** Its momentum stays. */
  readonly kept: Place;
  readonly gone: Place;
  /** Of the kept one, and of the other; their sum is above 0. */
  readonly shares: readonly [kept: number, gone: number];
}

/** How the directions of a fold's parts agree. */
export interface Screen {
  /** One for each part: its cosine to the sum of all others of its set. Null where it took no part. */
  readonly cosines: readonly (number | null)[];
  /** One for each part, of its set: below it, a part pulls against the others, and it is no chance. */
  readonly thresholds: readonly number[];
  /** Indices of the parts that were left out of the weights for it. */
  readonly dropped: readonly number[];
}

export interface Folded {
  readonly digest: Digest;
  /** Null if there were too few parts to compare. */
  readonly screen: Screen | null;
}

/** For each set of new weights the sets that it is the average of. */
export type AveragedSets = readonly (readonly AveragedSet[])[];

export interface AveragedSet {
  readonly weights: Digest;
  readonly at: Place;
  /** Its share in the average, before division by the sum of all; the sum is above 0. */
  readonly share: number;
}

/** The fate of an offer, told to the learner of the peer that made it, for its error feedback. */
export type Fate = "counted" | "lost";

/** Any call may be rejected with a `LearnerStoppedError`. */
export interface Learner {
  /** Names the initial weights of the run, a set for each lineage that it begins with; every peer computes the same. */
  initial(): Promise<Digest>;
  /** Bytes of weights with so many sets. */
  sizeOf(sets: number): number;
  /**
   * Takes weights that another peer folded.
   * @throws {Error} with a reason, if the bytes do not fit this run's model.
   */
  load(weights: Content): Promise<Digest>;
  /**
   * Lends the bytes of weights still held, the outer optimizer's momentum included, whose blob digest is `digest`: they
   * are not to be changed, nor kept beyond the promise. Gives what `use` gives; null if they are not held.
   */
  save<T>(digest: Digest, use: (bytes: Uint8Array) => Promise<T>): Promise<T | null>;
  /**
   * Begins with an order at once. Its weights stay held until another names others.
   * @throws {Error} if its weights are not held any more.
   */
  train(order: TrainOrder): void;
  /** Cuts what was trained since the last contribution and goes on training. */
  contribute(): Promise<Contribution>;
  /** Whatever the bytes are, this gives a verdict. @throws {Error} if they cannot be had. */
  judge(contribution: Content, offer: Offer): Promise<Verdict>;
  /**
   * Folds on the CPU, bit for bit the same everywhere, and names the result.
   * @throws {Error} if the parent's weights are not held any more, or a part cannot be had.
   */
  fold(order: FoldOrder): Promise<Folded>;
  /** Averages weights of states, momentum alike, on the CPU, bit for bit the same everywhere, and names the result. */
  merge(sets: AveragedSets): Promise<Digest>;
  /** Held-out loss of one set, nats per token. */
  evaluate(weights: Digest, at: Place): Promise<number>;
  settle(round: number, fate: Fate): void;
  close(): Promise<void>;
}
