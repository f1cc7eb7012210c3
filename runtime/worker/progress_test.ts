import { strict as assert } from "node:assert";
import type { TrainOrder } from "../../p2p/learner.ts";
import type { Digest } from "../../p2p/sync/types.ts";
import type { StepMetrics } from "../train/step_metrics.ts";
import { Progress } from "./progress.ts";

const CONTEXT = 4;
const order = (round: number, start: number, end: number): TrainOrder => ({
  ...{ round, weights: `${round}` as Digest, lineage: { at: 0, from: [0], hosted: [0], leading: 0 }, tokens: 0 },
  ...{ ranges: [{ start, end }], batch: 2, globalBatch: 2, measure: { every: 0, sketch: false } },
  ...{ encoding: { codec: "int8", kept: 4096 }, roundMs: 1000 },
});
const step = (sequences: number, changes: Partial<StepMetrics> = {}): StepMetrics => ({
  ...{ step: 1, tokens: sequences * CONTEXT, sequences, loss: 2, gradientNorm: 1, skipped: false },
  ...{ lossScale: 1, nonFinite: [], halves: null, sketch: null },
  ...changes,
});

function begin(): Progress {
  const progress = new Progress({ contextLength: CONTEXT });
  progress.follow(order(1, 0, 10), true);
  return progress;
}

Deno.test("what was trained is claimed once, with its windows, and the next box begins behind it", () => {
  const progress = begin();
  assert.deepEqual(progress.take(3), [0, 1, 2]);
  progress.add([step(3)]);
  assert.deepEqual([progress.left, progress.ahead, progress.tokens], [7, 12, 12]);
  assert.deepEqual(progress.cut(1, true), {
    tokens: 12,
    steps: 1,
    ranges: [{ start: 0, end: 3 }],
    loss: 2,
    noise: null,
  });
  assert.deepEqual([progress.tokens, progress.left], [0, 7]);
  progress.follow(order(2, 0, 10), true);
  assert.deepEqual(progress.take(1), [3], "the first three may still be counted");
  progress.giveUp([3]);
  progress.settle(1);
  assert.deepEqual(progress.take(1), [0], "they were settled, and are in the lease");
});

Deno.test("what is not offered, given up or dropped is trained again", () => {
  const progress = begin();
  progress.take(2);
  progress.add([step(2)]);
  assert.deepEqual(progress.cut(1, false), { tokens: 0, steps: 0, ranges: [], loss: 0, noise: null });
  assert.deepEqual(progress.take(2), [0, 1]);
  progress.add([step(2)]);
  progress.giveUp(progress.take(2));
  assert.deepEqual([progress.left, progress.tokens, progress.ahead], [8, 8, 16]);
  const { ahead } = progress;
  progress.drop();
  assert.deepEqual([progress.left, progress.tokens, progress.ahead], [10, 0, ahead - 8]);
});

Deno.test("no more is claimed than the lease still has, and a skipped step counts in nothing", () => {
  const progress = begin();
  progress.take(4);
  progress.add([step(2), step(2, { skipped: true })]);
  progress.follow(order(2, 1, 10), true);
  assert.equal(progress.tokens, 8, "of two sequences, though three windows are left in the lease");
  progress.follow(order(3, 3, 10), true);
  assert.equal(progress.tokens, 4, "of one window");
});
