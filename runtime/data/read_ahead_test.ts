import { strict as assert } from "node:assert";
import { ReadAhead } from "./read_ahead.ts";

function scene() {
  const read: number[] = [];
  const ahead = new ReadAhead({
    tokens: 1,
    read(position, into) {
      read.push(position);
      into[0] = position;
    },
  });
  const taken = (positions: readonly number[]) => ahead.take(positions).map(([position]) => position);
  return { read, ahead, taken };
}

Deno.test("windows that were read ahead are given without being read again, and the others in their places", () => {
  const { read, ahead, taken } = scene();
  ahead.fetch([3, 4, 5]);
  assert.deepEqual(taken([4, 9, 3]), [4, 9, 3]);
  assert.deepEqual(read, [3, 4, 5, 9]);
});

Deno.test("after a step, or what another lease brings, nothing from before is kept", () => {
  const { read, ahead, taken } = scene();
  ahead.fetch([1, 2]);
  ahead.fetch([2, 3]);
  assert.deepEqual(read, [1, 2, 3]);
  assert.deepEqual([taken([7]), taken([2])], [[7], [2]]);
  assert.deepEqual(read, [1, 2, 3, 7, 2]);
});

Deno.test("steps of one size use two batches of windows in turn, and a window that was taken stays until the next", () => {
  const { ahead } = scene(), all = new Set<Uint32Array>();
  for (let step = 0; step < 10; step++) {
    const windows = ahead.take([3 * step, 3 * step + 1, 3 * step + 2]);
    for (const window of windows) all.add(window);
    ahead.fetch(step % 4 === 3 ? [0] : [3 * step + 3, 3 * step + 4, 3 * step + 5]); // a lease may change
    assert.deepEqual(windows.map(([position]) => position), [3 * step, 3 * step + 1, 3 * step + 2]);
  }
  assert.equal(all.size, 6);
});
