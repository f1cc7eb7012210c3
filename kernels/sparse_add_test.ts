import { strict as assert } from "node:assert";
import { checkKernel, gpuTest, noise } from "../tests/kernels/check.ts";
import { evaluate } from "../tests/kernels/finite_differences.ts";
import { sparseAdd } from "./sparse_add.ts";

Deno.test("sparseAdd adds each value at its place of its chunk, and none beyond the end", () => {
  const COUNT = 4100, y = new Float64Array(COUNT).fill(1);
  const [sum] = evaluate(sparseAdd, {
    shape: { COUNT, KEPT: 2 },
    inputs: { places: [0, 4095, 3, 4], values: [10, 20, 30, 40], y },
    outputs: ["y"],
  });
  const wanted = y.slice();
  [wanted[0], wanted[4095], wanted[4099]] = [11, 21, 31];
  assert.deepEqual(sum, wanted);
});

gpuTest("sparseAdd on a GPU gives the bits of its reference, rounded once", async () => {
  for (const [COUNT, KEPT] of [[1, 1], [5000, 64], [4 * 4096, 512]] as const) {
    const slots = Math.ceil(COUNT / 4096) * KEPT, y = noise(COUNT, 1);
    // Sums of multiples of 2^-20 below 4 are exact.
    const inputs = {
      places: Uint32Array.from({ length: slots }, (_, slot) => (slot % KEPT) * 8 % 4096 + 1),
      values: noise(slots, 2).map((value) => Math.round(value * 2 ** 20) / 2 ** 20),
      y: y.map((value) => Math.round(value * 2 ** 20) / 2 ** 20),
    };
    await checkKernel(sparseAdd, { shape: { COUNT, KEPT }, inputs, tolerances: { y: () => 0 } });
  }
});
