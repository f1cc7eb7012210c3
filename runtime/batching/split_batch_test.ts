import { strict as assert } from "node:assert";
import { splitBatch } from "./split_batch.ts";

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
    assert.deepEqual(splitBatch(batch, 16), { microBatch, accumulation });
  });
}

Deno.test("splitBatch() never runs less than asked for, nor more than by accumulation − 1", () => {
  for (let batch = 1; batch < 300; batch++) {
    for (let most = 1; most < 40; most++) {
      const { microBatch, accumulation } = splitBatch(batch, most);
      const over = microBatch * accumulation - batch;
      assert.ok(microBatch <= most && over >= 0 && over <= accumulation - 1, `${batch} by ${most}`);
    }
  }
});

Deno.test("the published switch mode runs at the limit up to twice of it, and full micro-batches beyond", () => {
  const executed = (batch: number) => {
    const { microBatch, accumulation } = splitBatch(batch, 16, "threshold");
    return `${accumulation} × ${microBatch}`;
  };
  assert.deepEqual([8, 16, 17, 32, 33, 48, 49].map(executed), [
    ...["1 × 8", "1 × 16", "1 × 16", "1 × 16", "3 × 16", "3 × 16", "4 × 16"],
  ]);
});
