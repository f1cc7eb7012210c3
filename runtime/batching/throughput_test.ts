import { strict as assert } from "node:assert";
import { probeMicroBatch, Throughput } from "./throughput.ts";

Deno.test("Throughput is its first reading at first, and forgets it within seconds of work", () => {
  const throughput = new Throughput();
  assert.equal(throughput.tokensPerSecond, 0);
  throughput.add(50, 100);
  assert.equal(throughput.tokensPerSecond, 500);
  for (let i = 0; i < 1000; i++) throughput.add(150, 100);
  assert.ok(Math.abs(throughput.tokensPerSecond - 1500) < 0.1);
});

Deno.test("Throughput weighs readings by the time they took", () => {
  const throughput = new Throughput();
  throughput.add(100, 10);
  throughput.add(100, 1000);
  assert.ok(throughput.tokensPerSecond < 200, "10,000 tokens a second for 10 ms weigh little against 100 for 1 s");
});

/** Probes a device with these speeds by micro-batch; sizes it does not have do not fit. */
async function probe(speeds: Readonly<Record<number, number>>, { first = 2, most = 64, budget = 99 } = {}) {
  const found = await probeMicroBatch({
    first,
    most,
    measure: (microBatch) => Promise.resolve(speeds[microBatch] ?? null),
    mayGoOn: () => --budget > 0,
  });
  assert.ok(found !== null, "something fits");
  return found;
}

Deno.test("probeMicroBatch() doubles while it gets faster, and keeps the smaller of equals", async () => {
  const { microBatch, readings } = await probe({ 1: 100, 2: 180, 4: 300, 8: 305, 16: 900 });
  assert.equal(microBatch, 4);
  assert.deepEqual(readings.map(({ microBatch }) => microBatch), [2, 4, 8]);
});

Deno.test("probeMicroBatch() halves where smaller ones are as fast", async () => {
  assert.equal((await probe({ 1: 60, 2: 99, 4: 100, 8: 101, 16: 50 }, { first: 8 })).microBatch, 2);
});

Deno.test("probeMicroBatch() stops where memory ends, and at the largest of interest", async () => {
  const linear = { 1: 100, 2: 200, 4: 400 };
  assert.equal((await probe(linear)).microBatch, 4);
  assert.equal((await probe(linear, { first: 32 })).microBatch, 4);
  assert.equal((await probe(linear, { most: 2 })).microBatch, 2);
  assert.equal((await probe({ 1: 100, 2: 200, 3: 300 }, { first: 8, most: 3 })).microBatch, 3);
  assert.equal(
    await probeMicroBatch({ first: 4, most: 8, measure: () => Promise.resolve(null), mayGoOn: () => true }),
    null,
  );
});

Deno.test("probeMicroBatch() takes the best so far when time is up, and goes on as long as nothing fits", async () => {
  assert.equal((await probe({ 2: 100, 4: 200, 8: 400 }, { budget: 2 })).microBatch, 4);
  assert.equal((await probe({ 1: 100 }, { first: 16, budget: 0 })).microBatch, 1);
});
