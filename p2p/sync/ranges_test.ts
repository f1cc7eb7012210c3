import { strict as assert } from "node:assert";
import { firstWindows, intersect, isRangeSet, subtract, union, windowCount } from "./ranges.ts";

const set = (...pairs: readonly (readonly [number, number])[]) => pairs.map(([start, end]) => ({ start, end }));

Deno.test("union() sorts, joins what touches and drops what is empty", () => {
  assert.deepEqual(union(set([5, 7], [0, 2]), set([2, 5], [9, 9])), set([0, 7]));
});

Deno.test("subtract() and intersect() cut ranges in pieces", () => {
  assert.deepEqual(subtract(set([0, 10]), set([2, 3], [5, 6])), set([0, 2], [3, 5], [6, 10]));
  assert.deepEqual(intersect(set([0, 4], [6, 9]), set([3, 7])), set([3, 4], [6, 7]));
});

Deno.test("firstWindows() takes a prefix across ranges", () => {
  assert.deepEqual(firstWindows(set([0, 2], [5, 9]), 4), set([0, 2], [5, 7]));
  assert.equal(windowCount(firstWindows(set([0, 2]), 9)), 2);
});

Deno.test("isRangeSet() refuses what is unsorted, overlapping, empty, negative or not whole", () => {
  assert.ok(isRangeSet(set([0, 2], [3, 4])));
  for (const bad of [set([3, 4], [0, 2]), set([0, 3], [2, 4]), set([1, 1]), set([-1, 2]), set([0, 1.5])]) {
    assert.equal(isRangeSet(bad), false);
  }
});
