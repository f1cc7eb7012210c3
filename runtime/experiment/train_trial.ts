/**
 * Any trial, by its kind.
 * @module
 */
import { trainAlone } from "./train_alone.ts";
import { trainFlock } from "./train_flock.ts";
import type { Trial, TrialResult } from "./trial.ts";
import type { TrialRun } from "./trial_run.ts";

/**
 * Runs a trial to its end; null if the signal stopped it.
 * @throws {DeviceMemoryError} if the device cannot hold one sequence of it.
 */
export async function trainTrial(trial: Trial, run: TrialRun): Promise<TrialResult | null> {
  return trial.kind === "alone" ? await trainAlone(trial, run) : await trainFlock(trial, run);
}
