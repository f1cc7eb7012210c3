import { strict as assert } from "node:assert";
import { checkKernel, gpuTest, noise, U } from "../tests/kernels/check.ts";
import { evaluate } from "../tests/kernels/finite_differences.ts";
import { normFinal } from "./norm_final.ts";
import { normSquaredPartial } from "./norm_squared_partial.ts";

Deno.test("the two passes give the Euclidean norm, and count what is not finite instead of adding it", () => {
  const x = [3, NaN, 4, Infinity, -Infinity, 12], BLOCKS = 4;
  const [partial] = evaluate(normSquaredPartial, { shape: { COUNT: 6, BLOCKS }, inputs: { x }, outputs: ["partial"] });
  assert.deepEqual([...partial], [9, 16, 144, 0, 1, 1, 1, 0]);
  const [result] = evaluate(normFinal, { shape: { BLOCKS }, inputs: { partial }, outputs: ["result"] });
  assert.deepEqual([...result], [13, 3, 1, 1]);
});

for (const [COUNT, BLOCKS] of [[1, 1], [7, 5], [5, 8], [1031, 3], [1032, 5], [4096, 16]] as const) {
  gpuTest(`the norm's first pass on a GPU equals its reference for ${COUNT} values in ${BLOCKS} blocks`, async () => {
    const x = noise(COUNT, 1, 3);
    if (COUNT > 1) x.set([NaN, Infinity], COUNT - 3);
    await checkKernel(normSquaredPartial, {
      shape: { COUNT, BLOCKS },
      inputs: { x },
      tolerances: { partial: (wanted) => (8 + Math.log2(COUNT)) * U * wanted }, // all terms are positive; counts exact
    });
  });
}

for (const BLOCKS of [1, 63, 1031]) {
  gpuTest(`the norm's second pass on a GPU equals its reference for ${BLOCKS} blocks`, async () => {
    const squares = noise(BLOCKS, 1).map(Math.abs), counts = noise(BLOCKS, 2, 9).map((x) => Math.floor(Math.abs(x)));
    await checkKernel(normFinal, {
      shape: { BLOCKS },
      inputs: { partial: [...squares, ...counts] },
      tolerances: { result: (wanted, i) => i === 0 ? (8 + Math.log2(BLOCKS)) * U * wanted : 0 },
    });
  });
}
