import { strict as assert } from "node:assert";
import { checkKernel, gpuTest, noise, U } from "../tests/kernels/check.ts";
import { evaluate, innerProduct } from "../tests/kernels/finite_differences.ts";
import { columnSum } from "./column_sum.ts";
import { pairNorms } from "./pair_norms.ts";

Deno.test("pairNorms and columnSum give |A|², |B|² and ⟨A, B⟩ of the parts of a sum", () => {
  const a = Float64Array.from(noise(1031, 1)), b = Float64Array.from(noise(1031, 2)), BLOCKS = 7;
  const inputs = { sum: a.map((value, i) => value + b[i]!), part: a };
  const [partial] = evaluate(pairNorms, { shape: { COUNT: 1031, BLOCKS }, inputs, outputs: ["partial"] });
  const shape = { N: BLOCKS, C: 3, ACCUMULATE: 0 };
  const [sums] = evaluate(columnSum, { shape, inputs: { dy: partial }, outputs: ["sum"] });
  const wanted = [innerProduct(a, a), innerProduct(b, b), innerProduct(a, b)];
  wanted.forEach((value, i) => assert.ok(Math.abs(sums[i]! - value) < 1e-10, `${i}: ${sums[i]}, wanted ${value}`));
});

Deno.test("pairNorms leaves the blocks that have no values at zero", () => {
  const inputs = { sum: [3, 5], part: [1, 2] };
  const [partial] = evaluate(pairNorms, { shape: { COUNT: 2, BLOCKS: 3 }, inputs, outputs: ["partial"] });
  assert.deepEqual([...partial], [1, 4, 2, 4, 9, 6, 0, 0, 0]);
});

for (const [COUNT, BLOCKS] of [[1, 1], [7, 5], [5, 8], [1031, 3], [1032, 5], [4096, 16]] as const) {
  gpuTest(`pairNorms on a GPU equals its reference for ${COUNT} values in ${BLOCKS} blocks`, async () => {
    const sum = noise(COUNT, 1, 3), part = noise(COUNT, 2, 3), size = Math.ceil(COUNT / BLOCKS);
    // Each term is at most 6² in size, off by the rounding of B on top of the sum's own.
    const bound = (10 + Math.log2(COUNT)) * U * 36 * size;
    await checkKernel(pairNorms, {
      shape: { COUNT, BLOCKS },
      inputs: { sum, part },
      tolerances: { partial: () => bound },
    });
  });
}
