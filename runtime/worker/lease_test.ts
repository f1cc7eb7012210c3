import { strict as assert } from "node:assert";
import { chance } from "../../tests/chance.ts";
import { Lease } from "./lease.ts";

const range = (start: number, end: number) => ({ start, end });

Deno.test("a lease hands its positions out in order, across its ranges, until none is left", () => {
  const lease = new Lease();
  lease.replace([range(10, 12), range(3, 5)]);
  assert.equal(lease.left, 4);
  assert.deepEqual(lease.take(3), [3, 4, 10]);
  assert.deepEqual(lease.take(3), [11]);
  assert.deepEqual(lease.take(3), []);
});

Deno.test("a look at the next positions says which they will be and hands none of them out", () => {
  const lease = new Lease();
  lease.replace([range(3, 5), range(10, 12)]);
  lease.take(1);
  assert.deepEqual(lease.peek(9), [4, 10, 11]);
  assert.deepEqual([lease.left, lease.take(9)], [3, [4, 10, 11]]);
  assert.deepEqual(lease.peek(9), []);
});

Deno.test("a cut reports what was handed out since the cut before", () => {
  const lease = new Lease();
  lease.replace([range(0, 3), range(8, 20)]);
  lease.take(5);
  assert.deepEqual(lease.cut(1), [range(0, 3), range(8, 10)]);
  lease.take(2);
  assert.deepEqual(lease.cut(2), [range(10, 12)]);
  assert.deepEqual(lease.cut(3), []);
});

Deno.test("positions of an open offer are not handed out again, though a new lease still has them", () => {
  const lease = new Lease();
  lease.replace([range(0, 10)]);
  lease.take(4);
  lease.cut(1);
  lease.take(2);
  lease.replace([range(0, 10)]);
  assert.deepEqual(lease.take(2), [6, 7]);
});

Deno.test("positions of a settled offer that stand in the lease are handed out again: it was lost", () => {
  const lease = new Lease();
  lease.replace([range(0, 10)]);
  lease.take(4);
  lease.cut(1);
  lease.settle(1);
  assert.deepEqual(lease.take(2), [0, 1]);
});

Deno.test("pending positions that a new lease does not have are not reported", () => {
  const lease = new Lease();
  lease.replace([range(0, 10)]);
  lease.take(4);
  lease.replace([range(2, 6), range(20, 30)]);
  assert.deepEqual(lease.cut(1), [range(2, 4)]);
});

Deno.test("a lease never hands out a position twice while its offer is open (seed 5)", () => {
  const random = chance(5).next, lease = new Lease();
  let pending: number[] = [], offers: { round: number; positions: number[] }[] = [];
  for (let round = 0; round < 300; round++) {
    const start = Math.floor(random() * 200), end = start + 50;
    lease.replace([range(start, end)]);
    pending = pending.filter((position) => position >= start && position < end);

    const open = new Set([...pending, ...offers.flatMap(({ positions }) => positions)]);
    const taken = lease.take(Math.floor(random() * 12));
    for (const position of taken) assert.ok(!open.has(position), `position ${position} in round ${round}`);
    pending.push(...taken);

    if (random() < 0.5) {
      assert.equal(lease.cut(round).reduce((sum, { start, end }) => sum + end - start, 0), pending.length);
      offers.push({ round, positions: pending });
      pending = [];
    }
    const settled = Math.floor(random() * round);
    lease.settle(settled);
    offers = offers.filter((offer) => offer.round !== settled && offer.round > round - 32);
  }
});

Deno.test("positions that are given back are handed out again, and not reported", () => {
  const lease = new Lease();
  lease.replace([{ start: 0, end: 10 }]);
  lease.take(3);
  const failed = lease.take(3);
  assert.equal(lease.pending, 6);
  lease.giveBack(failed);
  assert.equal(lease.pending, 3);
  assert.deepEqual(lease.take(2), [3, 4]);
  lease.giveBack();
  assert.deepEqual([lease.pending, lease.left, lease.cut(1)], [0, 10, []]);
});
