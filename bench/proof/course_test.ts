import { strict as assert } from "node:assert";
import {
  batchAt,
  type Course,
  lineageBatchAt,
  lossAt,
  roundsAt,
  secondsAt,
  secondsTo,
  spikeCount,
  stepsAt,
} from "./course.ts";

const course: Course = {
  ms: [10_000, 20_000, 30_000, 40_000],
  tokens: [100, 200, 300, 400],
  heldOut: [5, 4, null, 3],
  trained: [5, 4.5, 4, 3.5],
  batch: [8, 8, 16, 16],
  steps: [10, 10.5, 5, 5],
  lineages: [4, 4, 2, 1],
};

Deno.test("a course is straight between the states whose loss is known", () => {
  assert.equal(lossAt(course, 100), 5);
  assert.equal(lossAt(course, 150), 4.5);
  assert.equal(lossAt(course, 300), 3.5);
  assert.equal(secondsAt(course, 250), 25);
  assert.equal(stepsAt(course, 150), 15.25);
  assert.equal(roundsAt(course, 250), 2.5);
  assert.deepEqual([batchAt(course, 200), batchAt(course, 201)], [8, 16]);
  assert.deepEqual([lineageBatchAt(course, 200), lineageBatchAt(course, 201), lineageBatchAt(course, 401)], [2, 8, 16]);
});

Deno.test("a course is not read beyond its end", () => {
  assert.throws(() => lossAt(course, 401), /ends at 400/);
  assert.equal(secondsTo(course, 2.9), null);
});

Deno.test("a loss is reached where the course first comes to it", () => {
  assert.equal(secondsTo(course, 5.5), 10);
  assert.equal(secondsTo(course, 4.25), 17.5);
  assert.equal(secondsTo(course, 3.5), 30);
  assert.equal(secondsTo({ ...course, heldOut: [5, 3, 4, 3] }, 3.5), 17.5, "a loss that rises again was reached");
});

Deno.test("a spike is a state worse than the best before it by more than its share", () => {
  assert.equal(spikeCount(course), 0);
  assert.equal(spikeCount({ ...course, heldOut: [5, 4, 4.039, 4.05] }), 1);
});
