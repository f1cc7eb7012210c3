import { strict as assert } from "node:assert";
import { splitBatch, splitOver } from "./split_batch.ts";

for (
  const { batch, microBatch, accumulation } of [
    { batch: 1, microBatch: 1, accumulation: 1 },
    { batch: 16, microBatch: 16, accumulation: 1 },
    { batch: 17, microBatch: 9, accumulation: 2 },
    { batch: 31, microBatch: 16, accumulation: 2 },
    { batch: 33, microBatch: 11, accumulation: 3 },
    { batch: 100, microBatch: 15, accumulation: 7 },
  ]
) {
  Deno.test(`splitBatch() runs ${batch} as ${accumulation} × ${microBatch} where 16 fit`, () => {
    assert.deepEqual(splitBatch(batch, 16), { batch, microBatch, accumulation });
  });
}

Deno.test("splitBatch() runs what is asked for, and leaves over at most accumulation − 1 rows", () => {
  for (let asked = 1; asked < 300; asked++) {
    for (let most = 1; most < 40; most++) {
      const { batch, microBatch, accumulation } = splitBatch(asked, most), leftOver = microBatch * accumulation - batch;
      assert.ok(batch === asked && microBatch <= most, `${asked} by ${most}`);
      assert.ok(leftOver >= 0 && leftOver <= accumulation - 1, `${asked} by ${most}: ${leftOver} left over`);
    }
  }
});

Deno.test("splitOver() runs the same batch in other micro-batches, unless more than a third as many rows are left over", () => {
  const over = (microBatch: number, batch: number, largest: number) => {
    const split = splitOver(microBatch, splitBatch(batch, largest));
    return split === null ? null : `${split.batch} as ${split.accumulation} × ${split.microBatch}`;
  };
  assert.deepEqual([6, 7, 8, 9].map((batch) => over(8, batch, 16)), ["6 as 1 × 8", "7 as 1 × 8", "8 as 1 × 8", null]);
  assert.deepEqual([5, 10, 11, 12].map((batch) => over(4, batch, 8)), [
    ...[null, "10 as 3 × 4", "11 as 3 × 4", "12 as 3 × 4"],
  ]);
  assert.equal(over(4, 16, 8), null, "four micro-batches in place of two are slower");
});

Deno.test("the published switch mode runs at the limit up to twice of it, and full micro-batches beyond", () => {
  const executed = (batch: number) => {
    const { batch: made, microBatch, accumulation } = splitBatch(batch, 16, "threshold");
    assert.equal(made, accumulation * microBatch, "no row is left over");
    return `${accumulation} × ${microBatch}`;
  };
  assert.deepEqual([8, 16, 17, 32, 33, 48, 49].map(executed), [
    ...["1 × 8", "1 × 16", "1 × 16", "1 × 16", "3 × 16", "3 × 16", "4 × 16"],
  ]);
});
