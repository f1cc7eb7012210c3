import { strict as assert } from "node:assert";
import { ReadAhead } from "./read_ahead.ts";

function scene() {
  const read: number[] = [];
  const ahead = new ReadAhead((position) => {
    read.push(position);
    return Uint32Array.of(position);
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
