import { strict as assert } from "node:assert";
import { lossAt, stepsTo } from "./curve.ts";
import type { Curve } from "./trial.ts";

/** Loss 6 − ln steps, with a dent. */
const curve: Curve = [[0, 7], [1, 6], [10, 6 - Math.log(10)], [100, 6 - Math.log(100)], [110, 1.5], [120, 1.4]];

Deno.test("stepsTo() finds the first time that a loss is reached, between two points by the logarithm of the steps", () => {
  assert.ok(Math.abs(stepsTo(curve, 6 - Math.log(30))! - 30) < 1e-9);
  assert.equal(stepsTo(curve, 6 - Math.log(10)), 10, "at a point it is that point");
  assert.equal(stepsTo(curve, 1), null, "never");
  assert.equal(stepsTo([[0, 3], [4, 1]], 2), 4, "there is no logarithm of no steps");
  assert.equal(stepsTo([[1, 3], [2, 1], [4, 2.5], [8, 0.5]], 1), 2, "a later rise does not undo it");
});

Deno.test("lossAt() is the inverse of stepsTo() on a falling curve, and knows nothing beyond the end", () => {
  assert.ok(Math.abs(lossAt(curve, 30)! - (6 - Math.log(30))) < 1e-9);
  assert.equal(lossAt(curve, 110), 1.5);
  assert.equal(lossAt(curve, 121), null);
  assert.equal(lossAt([[0, 7], [10, 6]], 5), null, "the loss of untrained weights is no point to go from");
});
