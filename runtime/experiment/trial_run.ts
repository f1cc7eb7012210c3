/**
 * What every kind of trial is run with, and when it is kept or given up.
 * @module
 */
import type { TrialProgress } from "./trial.ts";
import type { TrialState } from "./trial_checkpoint.ts";
import type { Workbench } from "./workbench.ts";

/** What a trial is run with. */
export interface TrialRun {
  readonly bench: Workbench;
  /** Where an interrupted run of this very trial stopped. */
  readonly resume: TrialState | null;
  /** Stops it between two steps; what it has is kept first. */
  readonly signal: AbortSignal;
  /** Milliseconds of any clock that does not jump. */
  now(): number;
  onProgress(progress: TrialProgress): void;
  /** Keeps the trial for `resume`. */
  keep(state: TrialState): Promise<void>;
}

/** A trial is kept this often, besides when it is stopped. */
export const KEEP_MS = 60_000;
