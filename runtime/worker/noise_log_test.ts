import { strict as assert } from "node:assert";
import type { Measure, TrainOrder } from "../../p2p/learner.ts";
import type { Digest } from "../../p2p/sync/types.ts";
import type { StepMetrics } from "../train/step_metrics.ts";
import { NoiseLog, packSketch } from "./noise_log.ts";

function orderOf(round: number, measure: Measure): TrainOrder {
  return {
    round,
    measure,
    weights: `${round}` as Digest,
    lineage: { at: 0, from: [0], hosted: [0], leading: 0 },
    tokens: 0,
    ranges: [],
    batch: 4,
    globalBatch: 4,
    encoding: { codec: "int8", kept: 4096 },
    roundMs: 1000,
  };
}

function open(measure: Measure): NoiseLog {
  const log = new NoiseLog();
  log.follow(orderOf(3, measure), true);
  return log;
}

const step: StepMetrics = {
  step: 1,
  tokens: 64,
  sequences: 4,
  loss: 2,
  gradientNorm: 1,
  skipped: false,
  nonFinite: [],
  lossScale: 1,
  halves: null,
  sketch: null,
};
/** Two sequences a half: variance first + second − 2 · inner. */
const measured = (first: number, second: number, inner: number): StepMetrics => ({
  ...step,
  halves: { first, second, inner, sequences: [2, 2] },
});

/** Which of so many steps compare halves. */
const compared = (log: NoiseLog, count: number, kind: Partial<typeof four> = {}) =>
  Array.from({ length: count }, (_, i) => log.next({ ...four, ...kind }).halves ? i : -1).filter((i) => i >= 0);
const four = { sequences: 4, canCompare: true };

Deno.test("the first step of a box and every so many after it compare halves", () => {
  const log = open({ every: 4, sketch: false });
  assert.deepEqual(compared(log, 10), [0, 4, 8]);
  log.cut();
  assert.deepEqual(compared(log, 3), [0]);
  log.cut();
  assert.deepEqual(compared(log, 6), [0, 4]);
});

Deno.test("a comparison that is due waits for the first step that can", () => {
  const log = open({ every: 4, sketch: false });
  assert.deepEqual(compared(log, 7, { canCompare: false }), []);
  assert.deepEqual(compared(log, 5), [0, 4]);
});

Deno.test("two steps of one sequence, one after the other, are one comparison", () => {
  const log = open({ every: 4, sketch: false }), one = { sequences: 1 };
  assert.deepEqual(compared(log, 8, one), [0, 1, 4, 5]);
  log.cut();
  assert.deepEqual(compared(log, 1, one), [0]);
  log.follow(orderOf(4, { every: 4, sketch: false }), true); // the weights are others: the two are not comparable
  assert.deepEqual(compared(log, 4, one), [0, 1]);
  log.cut();
  assert.deepEqual([compared(log, 1, one), compared(log, 4)], [[0], [0]], "a larger batch has halves of its own");
});

Deno.test("nothing is measured where the order wants nothing", () => {
  const log = open({ every: 0, sketch: false });
  for (let i = 0; i < 30; i++) assert.deepEqual(log.next(four), { halves: false, sketchSeed: null });
  assert.equal(log.add([step, step]), null);
  assert.equal(log.cut(), null);
});

Deno.test("the figures of a box are the means of its measured steps, and each report's those of its own", () => {
  const log = open({ every: 2, sketch: false });
  assert.deepEqual(log.add([measured(5, 3, 1), step]), { tests: 1, variance: 6, signal: 1, along: 1 });
  assert.deepEqual(log.add([step, measured(2, 2, -1), measured(6, 2, 3)]), {
    tests: 2,
    variance: 4,
    signal: 1,
    along: 2,
  });
  assert.equal(log.add([step]), null);
  const noise = log.cut()!;
  assert.deepEqual([noise.tests, noise.signal, noise.sketch], [3, 1, null]);
  assert.ok(Math.abs(noise.variance - 14 / 3) < 1e-12 && Math.abs(noise.along - 5 / 3) < 1e-12);
  assert.equal(log.cut(), null);
});

Deno.test("figures that are not finite are left out", () => {
  const log = open({ every: 1, sketch: false });
  assert.equal(log.add([measured(Infinity, 1, 1), measured(1, NaN, 1)]), null);
  assert.equal(log.cut(), null);
});

Deno.test("the first step from new weights is sketched, with the round as its seed", () => {
  const log = open({ every: 1, sketch: true }), sketch = new Float32Array(256).fill(3);
  assert.deepEqual([log.next(four), log.next(four)].map(({ sketchSeed }) => sketchSeed), [3, null]);
  log.add([{ ...measured(5, 3, 1), sketch, sequences: 7 }, step]);
  const { codes, exponent, sequences } = log.cut()!.sketch!;
  assert.deepEqual([codes[0]! * 2 ** exponent, codes.length, sequences], [3, 256, 7]);
  assert.equal(log.next(four).sketchSeed, null, "a box that goes on from its own weights");
  log.follow(orderOf(4, { every: 1, sketch: true }), false);
  assert.equal(log.next(four).sketchSeed, null, "an order for the same weights");
  log.follow(orderOf(5, { every: 1, sketch: true }), true);
  assert.equal(log.next(four).sketchSeed, 5);
});

Deno.test("a sketch of another round is not contributed", () => {
  const log = open({ every: 1, sketch: true });
  log.next(four);
  log.add([{ ...measured(5, 3, 1), sketch: new Float32Array(256) }]);
  log.follow(orderOf(4, { every: 1, sketch: true }), false);
  assert.equal(log.cut()!.sketch, null);
});

Deno.test("what a step that was given up would have measured is due again", () => {
  const log = open({ every: 5, sketch: true });
  assert.deepEqual(log.next(four), { halves: true, sketchSeed: 3 });
  log.giveUp();
  assert.deepEqual(log.next(four), { halves: true, sketchSeed: 3 });
  log.add([measured(5, 3, 1)]); // its gradient was not finite: no sketch
  log.giveUp();
  assert.deepEqual(log.next(four), { halves: true, sketchSeed: null });
  log.forget();
  assert.equal(log.cut(), null);
});

Deno.test("packSketch() is within half a code of every value, and uses the codes", () => {
  for (const scale of [1, 1e-30, 3e25, 1e-45]) {
    const values = Float32Array.from({ length: 256 }, (_, i) => scale * Math.sin(i * 12.9898) * 3);
    const { codes, exponent } = packSketch(values, 2), signed = new Int8Array(codes.buffer);
    values.forEach((value, i) => assert.ok(Math.abs(value - signed[i]! * 2 ** exponent) <= 2 ** exponent / 2));
    if (scale > 1e-38) assert.ok(Math.max(...signed.map(Math.abs)) >= 63, `${scale}`);
  }
  const zero = packSketch(new Float32Array(256), 2);
  assert.ok(zero.codes.every((code) => code === 0) && Math.abs(zero.exponent) <= 126);
});
