import { strict as assert } from "node:assert";
import { topk } from "../state/codec/topk.ts";
import { Undecided } from "./undecided.ts";

const contribution = (value: number) => topk(64).encode(new Float32Array(10).fill(value)).bytes;

Deno.test("what a sparse contribution sent is known until its fate is, in any order", () => {
  const undecided = new Undecided();
  for (const round of [1, 2, 3]) undecided.addSparse(round, contribution(round));
  const second = undecided.settle(2, false);
  assert.ok(second?.kind === "sparse");
  assert.deepEqual(second.decode(10), new Float64Array(10).fill(2));
  assert.equal(undecided.settle(2, false), null, "once");
  assert.equal(undecided.settle(1, true)?.kind, "sparse");
});

Deno.test("contributions lost in a row are counted until one is counted", () => {
  const undecided = new Undecided();
  const lost = (round: number, isCounted = false) => {
    undecided.addSparse(round, contribution(1));
    const settled = undecided.settle(round, isCounted);
    return settled?.kind === "sparse" ? settled.lostInARow : null;
  };
  assert.deepEqual([lost(1), lost(2), lost(3, true), lost(4)], [1, 2, 0, 1]);
});

Deno.test("of dense contributions the last one alone waits, and none after a sparse one or a lost device", () => {
  const undecided = new Undecided();
  undecided.addDense(1);
  undecided.addDense(2);
  assert.equal(undecided.settle(1, true), null);
  assert.deepEqual(undecided.settle(2, true), { kind: "dense" });
  undecided.addDense(3);
  undecided.addSparse(4, contribution(1));
  assert.equal(undecided.settle(3, true), null);
  undecided.addDense(5);
  undecided.forgetDense();
  assert.equal(undecided.settle(5, true), null);
});

Deno.test("fates that never come are forgotten after 32 rounds", () => {
  const undecided = new Undecided();
  undecided.addSparse(1, contribution(1));
  undecided.addSparse(33, contribution(1));
  assert.equal(undecided.settle(1, false), null);
  assert.notEqual(undecided.settle(33, false), null);
});
