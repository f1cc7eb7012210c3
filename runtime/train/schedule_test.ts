import { strict as assert } from "node:assert";
import type { TrainingConfig } from "../config.ts";
import { learningRate, stepSettings } from "./schedule.ts";

const config: TrainingConfig = {
  learningRate: 0.002,
  rateScaling: "sqrt",
  schedule: "cosine",
  warmupTokens: 1000,
  finalShare: 0.1,
  decayShare: 0.2,
  targetTokens: 11_000,
  batch: 8,
  weightDecay: 0.1,
  beta1: 0.9,
  beta2: 0.99,
  epsilon: 1e-8,
  clip: 1,
};

const rates = (schedule: TrainingConfig["schedule"], tokens: readonly number[]) =>
  tokens.map((count) => Number(learningRate({ ...config, schedule }, count).toPrecision(6)));

Deno.test("learningRate() rises in a straight line during the warm-up", () => {
  assert.deepEqual(rates("constant", [0, 250, 500, 1000, 11_000, 90_000]), [0, 0.0005, 0.001, 0.002, 0.002, 0.002]);
});

Deno.test("learningRate() of a cosine passes the middle at half way and stays at its final share", () => {
  assert.deepEqual(rates("cosine", [1000, 3500, 6000, 8500, 11_000, 90_000]), [
    0.002,
    0.00173640, // 0.0002 + 0.0018 · (1 + √½) / 2
    0.0011,
    0.000463604, // 0.0002 + 0.0018 · (1 − √½) / 2
    0.0002,
    0.0002,
  ]);
});

Deno.test("learningRate() of wsd is stable, then falls in a straight line during the last share", () => {
  assert.deepEqual(rates("wsd", [1000, 6000, 9000, 10_000, 11_000, 12_000]), [
    0.002,
    0.002,
    0.002,
    0.0011,
    0.0002,
    0.0002,
  ]);
});

Deno.test("learningRate() stays at the peak in a run without an end", () => {
  assert.equal(learningRate({ ...config, targetTokens: null }, 1e12), 0.002);
});

Deno.test("learningRate() of wsd without a decay share never falls", () => {
  assert.equal(learningRate({ ...config, schedule: "wsd", decayShare: 0 }, 11_000), 0.002);
});

Deno.test("stepSettings() scales the rate by the root of the batch's growth, and keeps β₂'s half-life in tokens", () => {
  const at = (globalBatch: number, changes: Partial<TrainingConfig> = {}) =>
    stepSettings({ ...config, schedule: "constant", ...changes }, { tokens: 5000, globalBatch });
  assert.deepEqual(at(8), { rate: 0.002, beta1: 0.9, beta2: 0.99, epsilon: 1e-8, decay: 0.1, clip: 1 });
  assert.equal(at(32).rate, 0.004);
  assert.equal(at(32, { rateScaling: "none" }).rate, 0.002);
  for (const globalBatch of [2, 8, 32, 100]) {
    const { beta2 } = at(globalBatch), halfLife = Math.log(0.5) / Math.log(beta2) * globalBatch;
    assert.ok(Math.abs(halfLife - 8 * Math.log(0.5) / Math.log(0.99)) < 1e-6, `${globalBatch}: ${halfLife} sequences`);
  }
});

Deno.test("stepSettings() scales the rate of the warm-up and of the schedule alike", () => {
  for (const tokens of [100, 1000, 5000, 11_000]) {
    const { rate } = stepSettings(config, { tokens, globalBatch: 18 });
    assert.ok(Math.abs(rate - 1.5 * learningRate(config, tokens)) < 1e-15);
  }
});
