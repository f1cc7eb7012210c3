/**
 * Trials and sweeps so small that the plain device trains them in milliseconds, on a text of known entropy.
 * @module
 */
import { markovTokens } from "../runtime/data/markov.ts";
import type { Device } from "../runtime/device/device.ts";
import { openPlainDevice } from "../runtime/device/plain.ts";
import { Dealer } from "../runtime/experiment/dealer.ts";
import { runSweep, type SweepEvent } from "../runtime/experiment/sweep.ts";
import type { SweepPlan } from "../runtime/experiment/sweep_plan.ts";
import { SweepFile } from "../runtime/experiment/sweep_file.ts";
import type { AloneTrial, FlockTrial } from "../runtime/experiment/trial.ts";
import { Workbench } from "../runtime/experiment/workbench.ts";
import type { Clock } from "../runtime/worker/clock.ts";
import type { Folder } from "../runtime/folder.ts";
import { tinyRun } from "./tiny_run.ts";

const run = tinyRun();

/** One layer on eight symbols. */
export const smallModel = {
  ...run.model,
  ...{ vocabularySize: 8, contextLength: 16, layerCount: 1, width: 16, hiddenWidth: 32 },
};

export const smallText = markovTokens({ seed: 5, symbolCount: 8, tokenCount: 10_000 });

/** Batch 4: 64 tokens a step, 40 steps. */
export const aloneTrial: AloneTrial = {
  kind: "alone",
  id: "alone",
  model: smallModel,
  seed: 7,
  batch: 4,
  rate: 0.01,
  warmupSteps: 5,
  ...{ beta1: 0.9, beta2: 0.99, epsilon: 1e-8, decay: 0, clip: 1 },
  averageShare: 0.1,
  target: null,
  mostTokens: 40 * 64,
  measuresNoise: false,
};

/** Three peers with batch 2, four inner steps a round, six rounds. */
export const flockTrial: FlockTrial = {
  kind: "flock",
  id: "flock",
  model: smallModel,
  seed: 7,
  peers: 3,
  batch: 2,
  innerSteps: 4,
  training: { ...run.training, learningRate: 0.01, warmupTokens: 0, targetTokens: 2304, batch: 6 },
  outer: { ...run.outer, codec: "int8", learningRate: 0.7, momentum: 0.9 },
  mostTokens: 2304,
};

/** A plan of trials that do not depend on each other. */
export function planOf(trials: readonly (AloneTrial | FlockTrial)[]): SweepPlan {
  return {
    name: "sweep.jsonl",
    question: { experiment: "test", trials },
    trials: () => trials,
    trialCount: trials.length,
    tokensToGo: (results) => trials.reduce((sum, { id, mostTokens }) => sum + (results.has(id) ? 0 : mostTokens), 0),
  };
}

/** Runs a sweep on a plain device; `stopAt` says at which event it is interrupted. */
export async function sweepIn(folder: Folder, plan: SweepPlan, {
  device = openPlainDevice(),
  clock = { now: () => 0, sleep: () => Promise.resolve() },
  stopAt = () => false,
}: {
  readonly device?: Device;
  readonly clock?: Clock;
  readonly stopAt?: (event: SweepEvent) => boolean;
} = {}) {
  const events: SweepEvent[] = [], warnings: string[] = [], stop = new AbortController();
  await using bench = new Workbench({ device, text: smallText, seed: 1, onWarning: (text) => warnings.push(text) });
  const dealer = new Dealer(plan, await SweepFile.open(folder, plan));
  const isComplete = await runSweep({
    dealer,
    folder,
    bench,
    signal: stop.signal,
    clock,
    onEvent(event) {
      events.push(event);
      if (stopAt(event)) stop.abort();
    },
  });
  return { results: dealer.results, isComplete, events, warnings };
}
