import { strict as assert } from "node:assert";
import { deviationOf, differenceOf, meanOf } from "./compare.ts";

Deno.test("a difference that all seeds agree on is told from one that they do not", () => {
  const others = [2, 2.1, 2.2];
  assert.equal(differenceOf([1.9, 2.01, 2.1], others).verdict, "less");
  assert.equal(differenceOf([2.1, 2.21, 2.3], others).verdict, "more");
  assert.equal(differenceOf([1.9, 2.2, 2.2], others).verdict, "noise");
});

Deno.test("the interval of a difference is Student's, of the mean", () => {
  const { mean, within } = differenceOf([1, 2, 3], [0, 0, 0]);
  assert.equal(mean, 2);
  assert.ok(Math.abs(within! - 4.303 / Math.sqrt(3)) < 1e-12);
});

Deno.test("one seed shows nothing beyond noise", () => {
  assert.deepEqual(differenceOf([1], [2]), { mean: -1, within: null, verdict: "noise" });
  assert.deepEqual([meanOf([1, 3]), deviationOf([1, 3]), deviationOf([1])], [2, Math.SQRT2, 0]);
});
