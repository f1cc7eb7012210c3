import { strict as assert } from "node:assert";
import { BEHIND_BYTES, CpuMemory, RESERVED_BYTES } from "./cpu_memory.ts";
import { DeviceMemoryError } from "./device.ts";

Deno.test("CpuMemory gives aligned zeros, after freed memory was written to as well", () => {
  const memory = new CpuMemory();
  for (let turn = 0; turn < 3; turn++) {
    const address = memory.give(100, "a");
    assert.equal(address % 256, 0);
    assert.ok(address >= RESERVED_BYTES);
    assert.ok(memory.view(address, 128).every((value) => value === 0));
    memory.view(address, 128).fill(7);
    memory.take(address);
  }
});

Deno.test("CpuMemory uses freed blocks again instead of growing, also when they were freed in pieces", () => {
  const memory = new CpuMemory();
  const addresses = [1000, 2000, 3000, 4000].map((words) => memory.give(words, "piece"));
  memory.give(64, "guard");
  const sizeBytes = memory.memory.buffer.byteLength;
  for (const i of [2, 0, 3, 1]) memory.take(addresses[i]!);
  assert.equal(memory.give(10_000, "whole"), addresses[0]);
  assert.equal(memory.memory.buffer.byteLength, sizeBytes);
});

Deno.test("CpuMemory grows a free end by what is missing, not by all", () => {
  const memory = new CpuMemory();
  memory.take(memory.give(1_000_000, "end"));
  memory.give(1_200_000, "larger");
  assert.ok(memory.memory.buffer.byteLength < 6_000_000, `${memory.memory.buffer.byteLength}`);
});

Deno.test("CpuMemory gives no block that ends where the memory ends: a vector may be read from its last value on", () => {
  const memory = new CpuMemory();
  for (const words of [16_384, 16_320, 3 * 16_384, 64]) {
    const address = memory.give(words, "whole pages");
    assert.ok(address + words * 4 + 60 <= memory.memory.buffer.byteLength, `${words} words at ${address}`);
  }
});

Deno.test("CpuMemory refuses what is beyond its limit by name and with numbers, and works on", () => {
  const memory = new CpuMemory({ limitBytes: 2 ** 20 });
  memory.give(2 ** 16, "first");
  assert.throws(
    () => memory.give(2 ** 18, "second"),
    (error: Error) =>
      error instanceof DeviceMemoryError &&
      /Cannot allocate 'second': it needs 1.0 MiB in one piece, .* has given out 0.3 MiB of 1.0 MiB; use a smaller/
        .test(error.message),
  );
  memory.give(2 ** 16, "third");
});

Deno.test("CpuMemory refuses to free an address that it did not give, or twice", () => {
  const memory = new CpuMemory(), address = memory.give(1, "once");
  memory.take(address);
  assert.throws(() => memory.take(address), /Cannot free address \d+: no block starts there/);
});

for (const seed of [1, 2, 3]) {
  Deno.test(`CpuMemory never gives overlapping blocks and ends in one free piece (seed ${seed})`, () => {
    const memory = new CpuMemory(), random = randomFrom(seed);
    const blocks: { address: number; words: number }[] = [];
    for (let turn = 0; turn < 400; turn++) {
      if (blocks.length > 0 && random() < 0.45) {
        const [block] = blocks.splice(Math.floor(random() * blocks.length), 1);
        // A block holds its own address; another one over it would have changed that.
        assert.ok(memory.view(block!.address, block!.words).every((value) => value === block!.address % 4099));
        memory.take(block!.address);
      } else {
        const words = 1 + Math.floor(random() ** 3 * 5000), address = memory.give(words, "block");
        memory.view(address, words).fill(address % 4099);
        blocks.push({ address, words });
      }
    }
    blocks.forEach(({ address }) => memory.take(address));
    assert.equal(memory.bytes, 0);
    const sizeBytes = memory.memory.buffer.byteLength;
    memory.give((sizeBytes - RESERVED_BYTES - BEHIND_BYTES) / 4, "all that there is");
    assert.equal(memory.memory.buffer.byteLength, sizeBytes);
  });
}

function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}
