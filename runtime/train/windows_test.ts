import { strict as assert } from "node:assert";
import { microBatches, packWindows, WindowPacker } from "./windows.ts";

const shape = { B: 3, T: 3, V: 10 };
const none = 0xffff_ffff;

Deno.test("packWindows() shifts targets by one and ignores what a micro-batch lacks", () => {
  const words = packWindows([Uint32Array.of(1, 2, 3, 4), Uint32Array.of(5, 6)], shape);
  assert.deepEqual([...words.subarray(0, 9)], [1, 2, 3, 5, 0, 0, 0, 0, 0]);
  assert.deepEqual([...words.subarray(64, 73)], [2, 3, 4, 6, none, none, none, none, none]);
});

Deno.test("packWindows() adds the order of the ids, and where each segment of it stops", () => {
  const words = packWindows([Uint32Array.of(2, 5, 2, 1), Uint32Array.of(5, 6)], shape);
  assert.equal(words.length, 4 * 64);
  assert.deepEqual([...words.subarray(128, 137)], [4, 5, 6, 7, 8, 0, 2, 1, 3]); // 0 × 5, 2 × 2, 5 × 2
  assert.deepEqual([...words.subarray(192, 201)], [5, 0, 0, 0, 0, 7, 0, 9, 0]);
});

Deno.test("packWindows() names the window that is too long, too short or in another tokenizer's ids", () => {
  assert.throws(
    () => packWindows([Uint32Array.of(1, 2), new Uint32Array(5)], shape),
    /window 1: it has 5 tokens, 2 to 4/,
  );
  assert.throws(() => packWindows([Uint32Array.of(1)], shape), /window 0: it has 1 tokens/);
  assert.throws(() => packWindows([Uint32Array.of(1, 10)], shape), /token 1 is 10 and the model knows 0 to 9/);
});

Deno.test("microBatches() leaves the remainder to the last one", () => {
  const windows = Array.from({ length: 7 }, (_, i) => Uint32Array.of(i, i));
  assert.deepEqual(microBatches(windows, 3).map((batch) => batch.map(([id]) => id)), [[0, 1, 2], [3, 4, 5], [6]]);
});

Deno.test("a packer gives what packWindows() gives, in the same memory every time", () => {
  const packer = new WindowPacker(shape), memory = packer.pack([]);
  for (const tokens of [[[9, 9, 9, 9], [8, 7]], [[1, 2]], [[5, 5, 5], [0, 9], [3, 4, 3, 4]], []]) {
    const windows = tokens.map((ids) => Uint32Array.from(ids)), packed = packer.pack(windows);
    assert.equal(packed, memory);
    assert.deepEqual(packed, packWindows(windows, shape));
  }
});
