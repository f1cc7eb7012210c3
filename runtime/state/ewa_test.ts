import { strict as assert } from "node:assert";
import { EWA_DECAY, type EwaProgress, ewaUpdate, moveAverage } from "./ewa.ts";

const BATCH_TOKENS = 1_024;

/** Averages numbers, each at a number of steps of the run; begins at the first. */
function averaged(states: readonly (readonly [steps: number, value: number])[], decay = EWA_DECAY) {
  let progress: EwaProgress | null = null;
  const average = new Float32Array(1);
  for (const [steps, value] of states) {
    const update = ewaUpdate(progress, { tokens: steps * BATCH_TOKENS, batchTokens: BATCH_TOKENS, decay });
    progress = update.progress;
    moveAverage(average, Float32Array.of(value), update.share);
  }
  return { value: average[0]!, progress: progress! };
}

Deno.test("once its horizon is full, an average is w ← τw + (1 − τ)θ, corrected for its bias", () => {
  const decay = 0.9, start = 1_000; // a tenth of the steps so far is more than the horizon of ten
  const states = [5, 1, 4, 1, 5, 9, 2, 6].map((value, i) => [start + i, value] as const);
  let w = 0;
  for (const [i, [, value]] of states.entries()) {
    w = decay * w + (1 - decay) * value;
    const { value: found, progress } = averaged(states.slice(0, i + 1), decay);
    const wanted = w / (1 - decay ** (i + 1));
    assert.ok(Math.abs(found - wanted) < 1e-6, `after ${i + 1}: ${found}, wanted ${wanted}`);
    assert.ok(Math.abs(progress.mass - (1 - decay ** (i + 1))) < 1e-12);
  }
});

Deno.test("n steps at once weigh as much as n steps one by one with the same weights", () => {
  const decay = 0.99, start = 10_000, begin = [[start, 2], [start + 1, 3]] as const;
  const oneByOne = Array.from({ length: 50 }, (_, i) => [start + 2 + i, 7] as const);
  const atOnce = averaged([...begin, [start + 51, 7]], decay), slowly = averaged([...begin, ...oneByOne], decay);
  assert.ok(Math.abs(atOnce.value - slowly.value) < 1e-5, `${atOnce.value} and ${slowly.value}`);
  assert.ok(Math.abs(atOnce.progress.mass - slowly.progress.mass) < 1e-12);
});

Deno.test("in a short run the average is of its last tenth, not of its beginning", () => {
  const states = Array.from({ length: 1_001 }, (_, step) => [step, step] as const);
  const { value } = averaged(states);
  // With a horizon of a tenth of the steps so far, weights grow with the 9th power of the step: their mean is at 10/11.
  assert.ok(Math.abs(value / 1_000 - 10 / 11) < 0.005, `mean at ${value / 1_000} of the run`);
  let w = 0;
  for (const [, step] of states.slice(1)) w = EWA_DECAY * w + (1 - EWA_DECAY) * step;
  const uncapped = w / (1 - EWA_DECAY ** 1_000) / 1_000;
  assert.ok(uncapped < 0.6, `with the bias corrected alone the mean is at ${uncapped} of the run`);
});

Deno.test("in a long run the average reaches as far back as its horizon", () => {
  const { value } = averaged(Array.from({ length: 60_001 }, (_, step) => [step, step] as const));
  assert.ok(Math.abs(60_000 - value - 2_000) < 20, `${60_000 - value} steps back`);
});

Deno.test("the weights that a run begins with are not in the average", () => {
  const { value, progress } = averaged([[0, 1e6], [20, 3]]);
  assert.equal(value, 3);
  assert.ok(progress.mass > 0.99, "twenty steps fill a horizon of two");
});

Deno.test("a joiner's average begins with what it found, which soon counts little", () => {
  const joined = averaged([[100_000, 1e3]]);
  assert.equal(joined.value, 1e3);
  assert.equal(averaged([[100_000, 1_000], [100_100, 0]]).value < 12, true, "one step against a hundred");
});

Deno.test("weights that it knows, and a history with fewer tokens, change nothing", () => {
  const before = averaged([[100, 1], [200, 2]]);
  const again = averaged([[100, 1], [200, 2], [200, 5], [150, 9]]);
  assert.equal(again.value, before.value);
  assert.equal(again.progress.mass, before.progress.mass);
  assert.equal(again.progress.tokens, 150 * BATCH_TOKENS, "it goes on from there");
});

Deno.test("an average of equal weights is those weights, to the bit", () => {
  const states = Array.from({ length: 100 }, (_, i) => [i * 7, 0.1] as const);
  assert.equal(averaged(states).value, Math.fround(0.1));
});
