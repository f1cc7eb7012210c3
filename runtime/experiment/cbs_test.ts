import { strict as assert } from "node:assert";
import { smallModel } from "../../tests/experiment_scene.ts";
import { tinyRun } from "../../tests/tiny_run.ts";
import type { ModelConfig } from "../model/config.ts";
import { parameterLayout } from "../model/parameters.ts";
import { type CbsOptions, planCbs } from "./cbs_plan.ts";
import { reportCbs } from "./cbs_report.ts";
import type { Results } from "./sweep_plan.ts";
import type { AloneTrial, Trial, TrialResult } from "./trial.ts";

const T = smallModel.contextLength;

/** Reference 8 with 800 steps. */
const options: CbsOptions = {
  run: { ...tinyRun(), model: smallModel, training: { ...tinyRun().training, learningRate: 1e-3, batch: 8 } },
  batches: [1, 2, 4, 8, 16, 32, 64],
  reference: 8,
  tokens: 800 * 8 * T,
  target: null,
  rates: [1],
  seeds: 1,
  vary: null,
};

/**
 * What a trial would bring in a world where steps to the loss 5 − ln x are x/400 · (a + b/B): by `law`, and only up to
 * the trial's tokens or target.
 */
function resultOf(
  trial: AloneTrial,
  law: (trial: AloneTrial) => { readonly a: number; readonly b: number },
): TrialResult {
  const { a, b } = law(trial), cost = a + b / trial.batch, most = Math.ceil(trial.mostTokens / (trial.batch * T));
  const lossAfter = (steps: number) => 5 - Math.log(400 * steps / cost);
  const curve: [number, number][] = [[0, 6]];
  let steps = 0;
  while (steps < most && (trial.target === null || curve.at(-1)![1] > trial.target)) {
    steps = Math.min(most, Math.max(steps + 1, Math.ceil(steps * 1.04)));
    curve.push([steps, lossAfter(steps)]);
  }
  const loss = curve.at(-1)![1];
  return {
    trial: trial.id,
    outcome: trial.target !== null && loss <= trial.target ? "reached" : "spent",
    steps,
    tokens: steps * trial.batch * T,
    loss,
    curve,
    noise: trial.measuresNoise ? { variance: 60, signal: 2 } : null,
    device: "none",
    trainedMs: 0,
  };
}

/** Runs a sweep in that world; gives the trials in the order in which they were done. */
function answer(asked: CbsOptions, law: (trial: AloneTrial) => { readonly a: number; readonly b: number }) {
  const plan = planCbs(asked), results = new Map<string, TrialResult>(), done: AloneTrial[] = [];
  for (;;) {
    const next = plan.trials(results).find(({ id }) => !results.has(id));
    if (next === undefined) return { done, results: results as Results, plan, report: reportCbs(asked, results) };
    assert.ok(isAlone(next));
    done.push(next);
    results.set(next.id, resultOf(next, law));
  }
}

function isAlone(trial: Trial): trial is AloneTrial {
  return trial.kind === "alone";
}

Deno.test("a sweep trains the reference first, then the batches near it, to the loss that it reached", () => {
  const { done, results, plan } = answer(options, () => ({ a: 40, b: 4000 }));
  assert.deepEqual(done.map(({ batch }) => batch), [8, 4, 16, 2, 32, 1, 64]);
  const [first, ...others] = done;
  assert.equal(first!.target, null);
  assert.equal(first!.mostTokens, options.tokens);
  const reached = results.get(first!.id)!.loss;
  assert.ok(others.every(({ target, mostTokens }) => target === reached && mostTokens === 8 * options.tokens));
  assert.equal(plan.trialCount, done.length);
  assert.equal(plan.tokensToGo(results), 0);
  assert.ok(plan.tokensToGo(new Map()) > 7 * options.tokens);
});

Deno.test("a trial's rate goes by √ of its batch, β₂ by its tokens, within the bounds of the paper", () => {
  const { done } = answer(options, () => ({ a: 40, b: 4000 }));
  const at = (batch: number) => done.find((trial) => trial.batch === batch)!;
  assert.equal(at(8).rate, 1e-3);
  assert.ok(Math.abs(at(32).rate - 2e-3) < 1e-12 && Math.abs(at(2).rate - 5e-4) < 1e-12);
  assert.ok(Math.abs(at(16).beta2 - 0.99 ** 2) < 1e-12, "twice the tokens a step, half the half-life in steps");
  assert.equal(at(64).beta2, 0.95);
  assert.equal(at(1).beta2, 0.99 ** (1 / 8));
  assert.deepEqual([at(8).warmupSteps, at(1).warmupSteps, at(64).warmupSteps], [40, 320, 10]);
});

Deno.test("a report finds the law that the steps follow, and the critical batch", () => {
  const { report: { answers: [found], law } } = answer(options, () => ({ a: 40, b: 4000 }));
  const { critical, rows, noiseScale, deviation } = found!;
  // The target is what 800 steps of batch 8 reach: there steps are 800/540 · (40 + 4000/B).
  assert.ok(Math.abs(critical!.a / (40 * 800 / 540) - 1) < 0.01, `${critical!.a}`);
  assert.ok(Math.abs(critical!.batch - (4000 / 200 + 1.2 * 8)) < 0.3, `${critical!.batch}`);
  assert.deepEqual(critical!.doubts, []);
  assert.ok(rows.every(({ residual }) => Math.abs(residual!) < 0.01));
  assert.ok(Math.abs(noiseScale! - 30) < 1e-9);
  assert.deepEqual([deviation, law], [null, null]);
});

Deno.test("more data is read off the same trials: smaller amounts are points on their curves", () => {
  const vary = { what: "data" as const, values: [0.25, 1] };
  const { done, report } = answer({ ...options, vary }, () => ({ a: 40, b: 4000 }));
  assert.equal(done.length, options.batches.length, "nothing is trained twice");
  const [quarter, whole] = report.answers;
  assert.deepEqual(report.answers.map(({ label, tokens }) => [label, tokens]), [
    ["data ×0.25", options.tokens / 4],
    ["data ×1", options.tokens],
  ]);
  assert.ok(quarter!.targets[0]! > whole!.targets[0]!);
  assert.ok(
    Math.abs(quarter!.critical!.a * 4 / whole!.critical!.a - 1) < 0.02,
    "in this world all steps are in proportion",
  );
  assert.ok(Math.abs(report.law!.exponent) < 0.02, "so B* does not move");
});

/** Parameters, as a multiple of the small model's. */
function sizeOf(model: ModelConfig): number {
  return parameterLayout(model).parameterCount / parameterLayout(smallModel).parameterCount;
}

Deno.test("depth and width are trained as models of their own, and the law of B* over them is fitted", () => {
  const vary = { what: "width" as const, values: [0.5, 1, 2] };
  const { done, report } = answer(
    { ...options, reference: 1, vary },
    ({ model }) => ({ a: 100, b: 16_000 * sizeOf(model) ** 0.5 }),
  );
  assert.deepEqual([...new Set(done.map(({ model }) => model.width))], [8, 16, 32]);
  assert.deepEqual(report.answers.map(({ x, parameters }) => x / parameters), [1, 1, 1]);
  // B* = 160 · size^0.5 / 5 + 1.2: the constant bends the law a little.
  assert.ok(Math.abs(report.law!.exponent - 0.5) < 0.03, `${report.law!.exponent}`);
  assert.ok(Math.abs(report.exponents[0]! - report.law!.exponent) < 1e-9, "one seed says the same");
});

Deno.test("of several rates the one with the fewest steps counts at each batch, and the best reference sets the target", () => {
  const { report: { answers: [found] }, results } = answer({ ...options, rates: [0.5, 1, 2] }, ({ rate, batch }) => {
    const wanted = batch <= 8 ? 5e-4 : 2e-3, off = Math.abs(Math.log(rate / (wanted * Math.sqrt(batch / 8))));
    return { a: 40 * (1 + off), b: 4000 * (1 + off) };
  });
  assert.equal(results.size, 3 * options.batches.length);
  assert.deepEqual(found!.rows.map(({ factors }) => factors[0]), [0.5, 0.5, 0.5, 0.5, 2, 2, 2]);
  assert.ok(Math.abs(found!.critical!.batch - (4000 / 200 + 1.2 * 8)) < 0.3);
});

Deno.test("each seed has its own target and its own B*, and their spread is told", () => {
  const { report: { answers: [found] } } = answer(
    { ...options, seeds: 3 },
    ({ seed }) => ({ a: 40, b: 4000 + 400 * (seed - 8) }),
  );
  assert.equal(found!.targets.length, 3);
  assert.equal(new Set(found!.targets).size, 3);
  assert.deepEqual(found!.bySeed.map((batch) => Math.round(batch! - 9.6)), [18, 20, 22]);
  assert.ok(Math.abs(found!.deviation! - 2) < 0.2);
});

Deno.test("a batch that never reaches the target is left out of the fit and named", () => {
  const { report: { answers: [found] } } = answer(options, ({ batch }) => ({ a: batch >= 16 ? 4e5 : 40, b: 4000 }));
  assert.deepEqual(found!.rows.map(({ steps }) => steps !== null), [true, true, true, true, false, false, false]);
  assert.match(found!.critical!.doubts.join(), /B\* lies beyond the largest batch/);
});

Deno.test("a report of an unfinished sweep says what it knows, and one without a target that there is none", () => {
  const plan = planCbs(options), first = plan.trials(new Map())[0]!;
  assert.ok(isAlone(first));
  assert.equal(reportCbs(options, new Map()).answers[0]!.critical, null);
  const results = new Map([[first.id, resultOf(first, () => ({ a: 40, b: 4000 }))]]);
  const [found] = reportCbs(options, results).answers;
  assert.equal(found!.rows.filter(({ steps }) => steps !== null).length, 1);
  assert.equal(found!.critical, null);
  const diverged = new Map([[first.id, { ...results.get(first.id)!, outcome: "diverged" as const, loss: null }]]);
  assert.deepEqual(plan.trials(diverged).length, 1, "no other batch is trained to nothing");
  assert.deepEqual(reportCbs(options, diverged).answers[0]!.targets, [null]);
});

Deno.test("with a target given, every batch is trained to it and none decides for the others", () => {
  const { done } = answer({ ...options, target: 4.5 }, () => ({ a: 40, b: 4000 }));
  assert.ok(done.every(({ target }) => target === 4.5));
  assert.equal(done.length, 7);
});
