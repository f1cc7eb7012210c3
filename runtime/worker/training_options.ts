/**
 * What the training loop (`training.ts`) is given.
 * @module
 */
import type { SpeedCurve } from "../batching/speed_curve.ts";
import type { BatchingConfig, TrainingConfig } from "../config.ts";
import type { TokenSource } from "../data/corpus.ts";
import type { Clock } from "./clock.ts";
import type { LocalModel } from "./local_model.ts";
import type { LearnerEvent } from "./messages.ts";

export interface TrainingOptions {
  readonly local: LocalModel;
  /** Chooses the micro-batch of each box; null if the user did. */
  readonly curve: SpeedCurve | null;
  readonly config: TrainingConfig;
  readonly batching: BatchingConfig;
  /** Of the data order. */
  readonly seed: number;
  readonly contextLength: number;
  readonly train: TokenSource;
  /** Windows to evaluate on. */
  readonly heldOut: readonly Uint32Array[];
  readonly clock: Clock;
  onEvent(event: LearnerEvent): void;
}
