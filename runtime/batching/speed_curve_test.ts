import { strict as assert } from "node:assert";
import { SpeedCurve } from "./speed_curve.ts";

const MINUTE_MS = 60_000;
const linear = [1, 2, 4, 8].map((microBatch) => ({ microBatch, tokensPerSecond: 100 * microBatch }));

/** Boxes of ten seconds on a device of these speeds; gives what was chosen. */
function boxes(curve: SpeedCurve, speedOf: (microBatch: number) => number, { count = 1, fromMs = 0, batch = 64 } = {}) {
  return Array.from({ length: count }, (_, box) => {
    const chosen = curve.choose(fromMs + box * 10_000, batch);
    for (let second = 0; second < 10; second++) curve.observe(speedOf(chosen), 1000);
    return chosen;
  });
}

Deno.test("SpeedCurve trains at the smallest micro-batch that is as fast as any", () => {
  const curve = new SpeedCurve({ points: [...linear, { microBatch: 16, tokensPerSecond: 820 }], refused: null }, 0);
  assert.equal(curve.fastest, 8);
  assert.deepEqual(boxes(curve, () => 800, { count: 3 }), [8, 8, 8]);
});

Deno.test("SpeedCurve expects of a micro-batch what the next smaller known one does", () => {
  const curve = new SpeedCurve({ points: linear.slice(1), refused: null }, 0);
  assert.deepEqual([1, 2, 3, 4, 100].map((microBatch) => curve.speedAt(microBatch)), [200, 200, 200, 400, 800]);
  assert.equal(new SpeedCurve({ points: [], refused: null }, 0).speedAt(1), undefined);
});

Deno.test("SpeedCurve tries others for one box each when the device has become slower, and stays at the best", () => {
  const curve = new SpeedCurve({ points: linear, refused: 16 }, 0);
  assert.deepEqual(boxes(curve, (microBatch) => 100 * microBatch, { count: 3 }), [8, 8, 8]);
  // Another program has come: now small ones are as good as large ones.
  const shared = (microBatch: number) => Math.min(250, 100 * microBatch);
  assert.deepEqual(boxes(curve, shared, { count: 5, fromMs: 6 * MINUTE_MS }), [8, 4, 8, 4, 4]);
  assert.ok(Math.abs(curve.remembered.points.find(({ microBatch }) => microBatch === 4)!.tokensPerSecond - 250) < 1);
});

Deno.test("SpeedCurve goes up when the device has become faster", () => {
  const curve = new SpeedCurve({ points: linear.slice(0, 2), refused: null }, 0);
  assert.deepEqual(boxes(curve, () => 200, { count: 2 }), [2, 2]);
  const alone = (microBatch: number) => Math.min(1600, 300 * microBatch);
  assert.deepEqual(boxes(curve, alone, { count: 5, fromMs: 6 * MINUTE_MS }), [2, 4, 1, 2, 4]);
});

Deno.test("SpeedCurve lets noise be noise, and is not drawn anew twice within minutes", () => {
  const curve = new SpeedCurve({ points: linear, refused: null }, 0);
  boxes(curve, () => 800, { count: 2 });
  assert.deepEqual(boxes(curve, () => 700, { count: 3, fromMs: 6 * MINUTE_MS }), [8, 8, 8]);
  const trials = boxes(curve, (microBatch) => 40 * microBatch, { count: 5, fromMs: 8 * MINUTE_MS });
  assert.deepEqual(
    trials,
    [8, 16, 4, 8, 16],
    "all are slower alike, so the curve keeps its shape, and goes on upwards",
  );
  const again = boxes(curve, (microBatch) => 10 * microBatch, { count: 3, fromMs: 9 * MINUTE_MS });
  assert.deepEqual(again, [16, 16, 16], "too soon");
});

Deno.test("SpeedCurve stays below what had no memory, and asks again later, each time later", () => {
  const curve = new SpeedCurve({ points: linear, refused: null }, 0);
  assert.equal(curve.choose(0, 64), 8);
  curve.refuse(8, 0);
  assert.equal(curve.choose(1000, 64), 4);
  assert.equal(curve.choose(9 * MINUTE_MS, 64), 4);
  assert.equal(curve.choose(11 * MINUTE_MS, 64), 8, "it may be free again");
  curve.refuse(8, 11 * MINUTE_MS);
  assert.equal(curve.choose(22 * MINUTE_MS, 64), 4);
  assert.equal(curve.choose(32 * MINUTE_MS, 64), 8);
  assert.equal(curve.remembered.refused, null);
});

Deno.test("SpeedCurve has something smaller to train at when all that it knew is refused", () => {
  const curve = new SpeedCurve({ points: [{ microBatch: 8, tokensPerSecond: 800 }], refused: null }, 0);
  curve.refuse(8, 0);
  assert.equal(curve.choose(0, 64), 4);
  curve.refuse(4, 0);
  curve.refuse(2, 0);
  assert.equal(curve.choose(0, 64), 1);
  assert.equal(curve.remembered.refused, 2);
});

Deno.test("SpeedCurve goes on from what the last session left", () => {
  const before = new SpeedCurve({ points: linear, refused: null }, 0);
  boxes(before, () => 640, { count: 2 });
  before.refuse(16, 0);
  const curve = new SpeedCurve(structuredClone(before.remembered), 0);
  assert.equal(curve.choose(0, 64), 8);
  assert.deepEqual(curve.remembered, before.remembered);
});

Deno.test("SpeedCurve tries no micro-batch that is larger than the local batch", () => {
  const curve = new SpeedCurve({ points: linear, refused: 16 }, 0);
  assert.deepEqual(boxes(curve, () => 800, { count: 2, batch: 8 }), [8, 8]);
  assert.deepEqual(boxes(curve, () => 300, { count: 3, batch: 8, fromMs: 20 * MINUTE_MS }), [8, 4, 8]);
});
