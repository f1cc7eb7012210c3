/**
 * What the threads of a learner say to each other: the two ports, and the events that people see.
 *
 * Weights cross as shared memory, and so do contributions that are judged or folded; one's own is moved; all else is
 * small.
 * @module
 */
import type { Contribution, Fate, FoldPart, JoinedSets, Screen, TrainOrder, Verdict } from "../../p2p/learner.ts";
import type { Digest } from "../../p2p/sync/types.ts";
import type { RememberedCurve } from "../batching/speed_curve.ts";
import type { RunConfig } from "../config.ts";
import type { DeviceChoice } from "../device/open.ts";
import type { PartVerdict } from "../state/fold.ts";
import type { RecomputeLevel } from "../train/recomputed.ts";
import type { Precision } from "../train/training_graph.ts";
import type { TunedProducts } from "../tuning/tuned_products.ts";
import type { MeanNoise } from "./noise_log.ts";
import type { PrecisionChoice } from "./precision.ts";
import type { Moved } from "./remote.ts";

/** Bytes of weights (`state/weights.ts`). */
export type WeightsBytes = Uint8Array<SharedArrayBuffer>;

export interface NamedWeights {
  readonly digest: Digest;
}

/** Where new weights are to be written: a block of their size, header and all, whatever else is in it. */
export interface WrittenInto {
  readonly into: WeightsBytes;
}

/** A part of a fold as all threads of it can read it. */
export interface SharedPart extends Omit<FoldPart, "content"> {
  readonly bytes: Uint8Array<SharedArrayBuffer>;
}

/** The fold thread: no state of its own but the run's configuration. */
export interface FoldPort {
  /** @param setup Threads that fold; null: one a core, but no more than a few. */
  open(setup: { readonly config: RunConfig; readonly threads: number | null }): void;
  initial(order: WrittenInto): Promise<NamedWeights>;
  /** Names weights that came from elsewhere, if they are of this run's model. */
  check(received: WeightsBytes): Promise<NamedWeights>;
  judge(bytes: Uint8Array<SharedArrayBuffer>): Verdict;
  fold(
    order: WrittenInto & {
      readonly parent: WeightsBytes;
      readonly parts: readonly SharedPart[];
      readonly joined: JoinedSets | null;
    },
  ): Promise<NamedWeights & { readonly verdicts: readonly PartVerdict[]; readonly screen: Screen | null }>;
  merge(order: WrittenInto & { readonly sets: readonly (readonly WeighedSet[])[] }): Promise<NamedWeights>;
  /** Moves an average of weights (an arena of parameters without header) by a share of the way to a set of weights. */
  moveAverage(order: WeighedSet & { readonly average: WeightsBytes }): void;
}

/** One set of weights. */
export interface SetBytes {
  readonly weights: WeightsBytes;
  readonly at: number;
}

export interface WeighedSet extends SetBytes {
  readonly share: number;
}

export type { DeviceChoice };

/** Where a blob of the run is, for a thread that reads it itself. */
export type BlobPlace =
  | { readonly kind: "memory"; readonly bytes: Uint8Array<SharedArrayBuffer> }
  | { readonly kind: "file"; readonly path: string };

export interface TrainingSetup {
  readonly config: RunConfig;
  readonly device: DeviceChoice;
  /** Of the cpu device; null: one a core. */
  readonly threads: number | null;
  /** Blobs that the run's tokenizer and data name, by digest. */
  readonly blobs: Readonly<Record<string, BlobPlace>>;
  /** Sequences at once, or null to find the fastest. */
  readonly microBatch: number | null;
  readonly precision: PrecisionChoice;
  /** What an earlier session found out about the device; null: nothing. */
  readonly speeds: DeviceSpeeds | null;
  /** What was measured of the machine's GPU before; null: nothing. */
  readonly tuned: TunedProducts | null;
  /** Share of the time to compute in, 1 to 100. */
  readonly percent: number;
  /** What a checkpoint of an earlier session has, or null to start with fresh moments. */
  readonly checkpoint: Uint8Array<ArrayBuffer> | null;
}

/** Speeds of one model on one device, for the next session. */
export interface DeviceSpeeds extends RememberedCurve {
  /** Device and model that they are of. */
  readonly subject: string;
}

/** The training thread: owner of device, model and corpus. */
export interface TrainingPort {
  open(setup: TrainingSetup): Promise<OpenedTraining>;
  train(order: { readonly order: TrainOrder; readonly weights: WeightsBytes }): Promise<void>;
  contribute(nothing: null): Promise<Moved<Contribution>>;
  /** Held-out loss, nats per token. */
  evaluate(set: SetBytes): Promise<number>;
  settle(settlement: { readonly round: number; readonly fate: Fate }): Promise<void>;
  pace(pace: { readonly percent: number; readonly paused: boolean }): void;
  /**
   * Begins a checkpoint: training stands still until `endCheckpoint`. False before anything was trained: there is nothing
   * to end.
   */
  beginCheckpoint(nothing: null): Promise<boolean>;
  /** The next piece of it; null after the last. */
  checkpointPiece(nothing: null): Promise<Moved<Uint8Array<ArrayBuffer>> | null>;
  endCheckpoint(nothing: null): void;
  close(nothing: null): Promise<void>;
}

export interface OpenedTraining {
  /** For people: what the device is. */
  readonly device: string;
}

/** What a learner tells whoever shows it. */
export type LearnerEvent =
  | { readonly kind: "device"; readonly device: string; readonly reason: string }
  /** How activations lie in memory from now on. */
  | { readonly kind: "precision"; readonly precision: Precision; readonly reason: string }
  | {
    readonly kind: "memory";
    readonly microBatch: number;
    /** What the backward pass computes again to save memory. */
    readonly recompute: RecomputeLevel;
    readonly plannedBytes: number;
    /** The most that the device holds at one time: with the search for the fastest micro-batch, which comes first. */
    readonly peakBytes: number;
    readonly parameterCount: number;
  }
  /** How fast the device is, for the next session: found by a probe, or changed since. */
  | { readonly kind: "speeds"; readonly speeds: DeviceSpeeds }
  /** The forms of a GPU's matrix products are being measured: so many classes of them, of so many. */
  | { readonly kind: "tuning"; readonly doneCount: number; readonly classCount: number }
  /** What is known of them now, for the next session of any peer on this machine. */
  | { readonly kind: "tuned"; readonly products: TunedProducts }
  /** Some inner steps, reported together. */
  | {
    readonly kind: "steps";
    readonly round: number;
    readonly steps: number;
    readonly tokens: number;
    /** Mean, nats per token. */
    readonly loss: number;
    /** Of the last step, before clipping. */
    readonly gradientNorm: number;
    readonly rate: number;
    /** Sequences: micro-batch × accumulation. */
    readonly batch: number;
    readonly microBatch: number;
    readonly accumulation: number;
    readonly tokensPerSecond: number;
    /** Of the measured ones among them; null if none was. */
    readonly noise: MeanNoise | null;
  }
  /** The thread stands still, and why. */
  | { readonly kind: "waiting"; readonly round: number; readonly reason: string }
  /** Parts of a fold that were dropped; every peer drops the same. */
  | { readonly kind: "dropped"; readonly reasons: readonly string[] }
  | { readonly kind: "warning"; readonly message: string }
  /** Training has ended for good; folding goes on. */
  | { readonly kind: "failed"; readonly message: string };
