/**
 * The setting that all benchmarks of ways of learning share: model, text, tokens, seeds, machines, grid of rates.
 *
 * It is small, so that all of them fit into a night on two cores: a model of 35 thousand parameters reads bytes of real
 * documentation, 30 tokens a parameter. What is compared runs under one rule: the same tokens, boxes, machines and seeds,
 * and its own best learning rate of one grid.
 * @module
 */
import { EMBEDDED_DIGEST } from "../../runtime/data/embedded.ts";
import type { RunConfig } from "../../runtime/config.ts";
import type { Speed } from "../../tests/driven/driven_learner.ts";
import { tinyRun } from "../../tests/tiny_run.ts";

/** After which trials are compared. */
export const TOKENS = 1_000_000;
export const SEEDS = [1, 2, 3] as const;
export const LEARNING_RATES = [4e-3, 8e-3, 1.6e-2, 3.2e-2] as const;
/** Tokens per second of all machines together, whatever their number. */
const TOGETHER = 2400;
/** What an inner step takes besides its tokens, on any machine. */
const STEP_MS = 50;
export const BOX_MS = 10_000;

/** Machines whose speeds are in these proportions. */
export function machines(...proportions: readonly number[]): readonly Speed[] {
  const total = proportions.reduce((sum, proportion) => sum + proportion, 0);
  return proportions.map((proportion) => ({ tokensPerSecond: TOGETHER * proportion / total, stepMs: STEP_MS }));
}

/** How long an inner step of so many sequences takes on a machine. */
export function stepMs({ tokensPerSecond, stepMs }: Speed, batch: number): number {
  return stepMs + 1000 * batch * MODEL.contextLength / tokensPerSecond;
}

/** Two layers of width 32. */
export const MODEL: RunConfig["model"] = {
  family: "gpt2",
  vocabularySize: 256,
  contextLength: 32,
  layerCount: 2,
  headCount: 2,
  keyValueHeadCount: 2,
  width: 32,
  hiddenWidth: 128,
  tied: true,
  normEpsilon: 1e-5,
  ropeTheta: 10_000,
};

/** What may differ between the runs of trials. */
export interface RunChanges {
  readonly seed: number;
  readonly learningRate: number;
  /** Global, in sequences; what a policy begins with. */
  readonly batch: number;
  /** The shared setting's if absent. */
  readonly model?: RunConfig["model"];
  readonly tokens?: number;
  readonly boxMs?: number;
  readonly outer?: Partial<RunConfig["outer"]>;
  readonly batching?: RunConfig["batching"];
}

export function proofRun(changes: RunChanges): RunConfig {
  const { seed, learningRate, batch, model = MODEL, tokens = TOKENS, boxMs = BOX_MS, outer = {}, batching } = changes;
  const base = tinyRun();
  return tinyRun({
    name: "proof",
    seed,
    model,
    data: { kind: "embedded", digest: EMBEDDED_DIGEST },
    training: {
      ...base.training,
      learningRate,
      batch,
      schedule: "cosine",
      warmupTokens: tokens / 20,
      targetTokens: tokens,
    },
    outer: { ...base.outer, ...outer },
    rounds: { firstMs: boxMs, leastMs: boxMs, longestMs: boxMs },
    ...(batching && { batching }),
  });
}
