import { strict as assert } from "node:assert";
import { WeightsAverage } from "./weights_average.ts";

/** Averages the number of the step itself, so that the lag can be read off. */
function averageOfSteps(share: number, steps: number): number {
  const average = new WeightsAverage(share, { values: new Float32Array(1).fill(99), step: 0 });
  for (let step = 1; step <= steps; step++) {
    if (average.isDue(step)) average.add(Float32Array.of(step), step);
  }
  return average.values[0]!;
}

Deno.test("an average lags by its share of the steps, however long the training is", () => {
  // Of a straight line the mean age is share/(1 + share)·t.
  for (const steps of [200, 2_000, 20_000]) {
    assert.ok(Math.abs(averageOfSteps(0.1, steps) / steps - 1 / 1.1) < 0.01, `${steps} steps`);
  }
});

Deno.test("an average with the share 0 is the last weights, and of one step that step", () => {
  assert.equal(averageOfSteps(0, 50), 50);
  assert.equal(averageOfSteps(0.5, 1), 1);
});

Deno.test("an average is sampled some sixteen times in its horizon, at every step where that is less than one", () => {
  const average = new WeightsAverage(0.1, { values: new Float32Array(1), step: 1000 });
  assert.equal(average.isDue(1005), false);
  assert.equal(average.isDue(1006), true);
  assert.equal(new WeightsAverage(0.1, { values: new Float32Array(1), step: 20 }).isDue(21), true);
});
