import { strict as assert } from "node:assert";
import type { Digest } from "../p2p/sync/types.ts";
import { HeldWeights } from "./held_weights.ts";
import type { WeightsBytes } from "./worker/messages.ts";

function twoHeld(): HeldWeights {
  return new HeldWeights({ most: 2, allocate: () => new Uint8Array(new SharedArrayBuffer(1)) });
}

/** The name of weights whose only byte is `value`. */
const nameOf = (value: number) => `${value}` as Digest;

function write(value: number): (into: WeightsBytes) => Promise<{ readonly digest: Digest }> {
  return (into) => {
    into[0] = value;
    return Promise.resolve({ digest: nameOf(value) });
  };
}

const read = (held: HeldWeights, value: number) => held.use([nameOf(value)], ([bytes]) => Promise.resolve(bytes![0]));

Deno.test("the last weights are held, and the oldest make room for new ones in the same memory", async () => {
  const held = twoHeld();
  for (let value = 0; value < 100; value++) {
    assert.deepEqual(await held.make(write(value)), { digest: nameOf(value) });
    if (value > 0) assert.equal(await read(held, value - 1), value - 1);
    assert.equal(await read(held, value), value);
  }
  assert.equal(held.has(nameOf(97)), false);
  assert.equal(held.blockCount, 3, "two held, one to write into");
});

Deno.test("weights that are used again go last", async () => {
  const held = twoHeld();
  await held.make(write(1));
  await held.make(write(2));
  await read(held, 1);
  await held.make(write(3));
  assert.deepEqual([held.has(nameOf(1)), held.has(nameOf(2)), held.has(nameOf(3))], [true, false, true]);
});

Deno.test("weights that are made twice are held once", async () => {
  const held = twoHeld();
  for (let i = 0; i < 10; i++) await held.make(write(1));
  await held.make(write(2));
  assert.deepEqual([await read(held, 1), await read(held, 2)], [1, 2]);
  assert.equal(held.blockCount, 2);
});

Deno.test("nobody writes where pinned weights lie, until they are released", async () => {
  const held = twoHeld();
  await held.make(write(1));
  const pin = held.pin(nameOf(1)), again = held.pin(nameOf(1));
  for (let value = 2; value < 20; value++) await held.make(write(value));
  assert.equal(pin.bytes[0], 1);
  pin.release();
  pin.release(); // does nothing more
  for (let value = 20; value < 40; value++) await held.make(write(value));
  assert.deepEqual([again.bytes[0], held.has(nameOf(1))], [1, true]);
  again.release();
  await held.make(write(40));
  await held.make(write(41));
  assert.equal(held.has(nameOf(1)), false);
  assert.ok(held.blockCount <= 4);
});

Deno.test("what is being read or written keeps its memory, whatever is made meanwhile", async () => {
  const held = twoHeld(), { promise, resolve } = Promise.withResolvers<void>();
  await held.make(write(1));
  const reading = held.use([nameOf(1)], async ([bytes]) => (await promise, bytes![0]));
  const writing = held.make(async (into) => {
    into[0] = 2;
    await promise;
    return { digest: nameOf(into[0]) };
  });
  for (let value = 10; value < 20; value++) await held.make(write(value));
  resolve();
  assert.deepEqual([await reading, await writing], [1, { digest: nameOf(2) }]);
});

Deno.test("weights that could not be written, and such that are held no more, are refused", async () => {
  const held = twoHeld();
  for (let i = 0; i < 5; i++) {
    await assert.rejects(held.make(() => Promise.reject(new Error("not finite"))), /not finite/);
  }
  assert.equal(held.blockCount, 1, "the memory is used again");
  await held.make(write(1));
  await assert.rejects(
    held.use([nameOf(1), nameOf(2)], () => Promise.resolve()),
    /Cannot use weights 2: they are not held/,
  );
  for (const value of [3, 4]) await held.make(write(value));
  assert.equal(held.has(nameOf(1)), false, "a use that failed pins nothing");
});

Deno.test("new weights stay until they have been used, however many others are pinned", async () => {
  const held = twoHeld();
  for (const value of [1, 2, 3, 4]) {
    await held.make(write(value));
    held.pin(nameOf(value));
  }
  await held.make(write(5));
  await held.make(write(6));
  assert.deepEqual([await read(held, 5), await read(held, 6)], [5, 6]);
});
