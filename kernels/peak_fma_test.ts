import { strict as assert } from "node:assert";
import { checkKernel, gpuTest, noise, U } from "../tests/kernels/check.ts";
import { peakFma } from "./peak_fma.ts";

for (const shape of [{ GROUPS: 1, ROUNDS: 1 }, { GROUPS: 3, ROUNDS: 7 }]) {
  gpuTest(`peak_fma on a GPU equals its reference for ${JSON.stringify(shape)}`, async () => {
    const inputs = { factors: [0.75, -0.4], values: noise(3072 * shape.GROUPS, 1, 2) };
    // A step that is not fused rounds numbers of at most 2 twice, and keeps 3/4 of the error before it.
    await checkKernel(peakFma, { shape, inputs, tolerances: { values: () => 2 * 2 * U / (1 - 0.75) } });
  });
}

Deno.test("the flops of peak_fma count a multiply-add as two, four of them a round and value", () => {
  assert.equal(peakFma.flops!({ GROUPS: 2, ROUNDS: 5 }), 2 * 4 * 5 * 2 * 3072);
  assert.equal(peakFma.bindings["values"]!.length({ GROUPS: 2, ROUNDS: 5 }), 2 * 3072);
});
