import { strict as assert } from "node:assert";
import { smallModel } from "../../tests/experiment_scene.ts";
import { tinyRun } from "../../tests/tiny_run.ts";
import { parseRunConfig } from "../config.ts";
import { scaledModel } from "./scaled_model.ts";
import type { FlockTrial, TrialResult } from "./trial.ts";
import { planTune, type TuneOptions } from "./tune_plan.ts";
import { reportTune, suggestedRun } from "./tune_report.ts";

const run = tinyRun({ model: { ...smallModel, width: 32, headCount: 2, keyValueHeadCount: 2, hiddenWidth: 64 } });
const options: TuneOptions = {
  run: {
    ...run,
    training: { ...run.training, learningRate: 1e-3, batch: 8, targetTokens: 1_000_000, warmupTokens: 20_000 },
  },
  proxy: scaledModel(run.model, { width: 0.5, depth: 1 }),
  batch: 32,
  peers: 4,
  innerSteps: 10,
  tokens: 100_000,
  rates: [0.5, 1, 2],
  outerRates: [0.7, 1],
  momenta: [0, 0.9],
  seeds: 2,
};

const trials = () => planTune(options).trials(new Map()) as readonly FlockTrial[];

/** The loss is best at rate × 1, outer rate 1 and momentum 0; seeds differ by ± `noise`. */
function resultOf({ id, training, outer, seed }: FlockTrial, noise: number): TrialResult {
  const factor = training.learningRate / (1e-3 * 2 * 2);
  const loss = 2 + Math.log2(factor) ** 2 / 10 + (1 - outer.learningRate) + outer.momentum +
    (seed === run.seed ? noise : -noise);
  return {
    trial: id,
    outcome: factor > 1.5 && outer.momentum > 0 ? "diverged" : "spent",
    ...{ steps: 1, tokens: 1, loss, curve: [], noise: null, device: "none", trainedMs: 0 },
  };
}

const answers = (noise: number, some = trials()) => new Map(some.map((trial) => [trial.id, resultOf(trial, noise)]));

Deno.test("a tuning sweep tries every point of the grid at every seed, the first seed first", () => {
  const found = trials();
  assert.equal(found.length, 3 * 2 * 2 * 2);
  assert.equal(new Set(found.map(({ id }) => id)).size, found.length);
  assert.deepEqual(found.map(({ seed }) => seed), [...Array(12).fill(run.seed), ...Array(12).fill(run.seed + 1)]);
});

Deno.test("a trial has a peer's share of the batch, the rate of its width and batch, and the run's schedule in small", () => {
  const [trial] = trials();
  assert.deepEqual([trial!.batch, trial!.peers, trial!.training.batch], [8, 4, 32]);
  assert.equal(trial!.training.learningRate, 0.5 * 1e-3 * Math.sqrt(32 / 8) * (32 / 16));
  assert.deepEqual([trial!.training.targetTokens, trial!.training.warmupTokens], [100_000, 2000]);
  const openEnded = { ...options, run: { ...options.run, training: { ...options.run.training, targetTokens: null } } };
  const [other] = planTune(openEnded).trials(new Map()) as readonly FlockTrial[];
  assert.deepEqual([other!.training.targetTokens, other!.training.warmupTokens], [null, 10_000], "a tenth at most");
});

Deno.test("the table has the best first and what diverged last, with the noise between seeds", () => {
  const { rows, noise, best, asGood } = reportTune(options, answers(0.001));
  assert.deepEqual([best!.factor, best!.outerRate, best!.momentum], [1, 1, 0]);
  assert.ok(Math.abs(best!.rate - 2e-3) < 1e-12, "at the batch asked for");
  const drawn = Math.sqrt(2) * 0.001; // the deviation of a pair; that the median is taken of
  assert.ok(Math.abs(noise! - drawn / Math.sqrt((7 / 9) ** 3)) < 1e-9);
  assert.deepEqual(asGood, []);
  const losses = rows.map(({ loss }) => loss), known = losses.filter((loss) => loss !== null);
  assert.deepEqual(known, known.toSorted((a, b) => a - b));
  assert.deepEqual(rows.slice(-2).map(({ hasDiverged, loss }) => [hasDiverged, loss]), [[true, null], [true, null]]);
});

Deno.test("choices that noise does not tell apart are named as such", () => {
  const { asGood, remarks } = reportTune(options, answers(0.2));
  assert.ok(asGood.length >= 2);
  assert.match(remarks.join("\n"), /as good within the noise/);
});

Deno.test("choices near the edge of stability scatter, and do not make the noise of the others large", () => {
  const results = answers(0.001), wild = trials().filter(({ outer }) => outer.momentum > 0);
  for (const trial of wild) results.set(trial.id, resultOf(trial, 0.5));
  const quiet = reportTune(options, answers(0.001)).noise!, { noise, asGood } = reportTune(options, results);
  assert.ok(noise! < 1.01 * quiet, `${noise} and ${quiet}`);
  assert.deepEqual(asGood, []);
});

Deno.test("remarks say what is at an edge, what a single seed cannot tell, and what was carried over", () => {
  const one = { ...options, seeds: 1, rates: [1, 2] };
  const some = planTune(one).trials(new Map()) as readonly FlockTrial[];
  const { remarks, noise } = reportTune(one, answers(0, some));
  assert.equal(noise, null);
  const text = remarks.join("\n");
  assert.match(text, /best learning rate is the lowest that was tried: a lower one may be better \(--rates\)/);
  assert.match(text, /One seed.*--seeds 3/);
  assert.match(text, /A trial has 20 rounds\. Outer momentum pays over hundreds/);
  assert.match(text, /at width 16 and is carried to 32 as 1\/width/);
});

Deno.test("a suggested run is a valid run with the best choice, and nothing else changed", () => {
  const { best } = reportTune(options, answers(0.001)), config = { ...run, training: options.run.training };
  const suggested = suggestedRun(config, options, best!);
  assert.deepEqual(parseRunConfig(JSON.stringify(suggested)), suggested);
  assert.deepEqual([suggested.training.learningRate, suggested.training.batch], [2e-3, 32]);
  assert.deepEqual({ ...suggested, training: 0, outer: 0 }, { ...config, training: 0, outer: 0 });
});

Deno.test("before any point has all its seeds nothing is suggested", () => {
  const { best, rows } = reportTune(options, answers(0.001, trials().slice(0, 5)));
  assert.equal(best, null);
  assert.equal(rows.filter(({ loss }) => loss !== null).length, 5);
});
