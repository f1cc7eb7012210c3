import { checkKernel, gpuTest, noise, U } from "../tests/kernels/check.ts";
import { sum } from "./sum.ts";

for (const [COUNT, ACCUMULATE] of [[1, 0], [255, 1], [256, 0], [8191, 1]] as const) {
  gpuTest(`sum on a GPU equals its reference for ${COUNT} values, ACCUMULATE ${ACCUMULATE}`, async () => {
    const x = noise(COUNT, 1), size = x.reduce((total, value) => total + Math.abs(value), 1);
    await checkKernel(sum, {
      shape: { COUNT, ACCUMULATE },
      inputs: { x, ...(ACCUMULATE === 1 ? { total: [-0.7] } : {}) },
      // A tree of 256 short sums: log₂ of the count of roundings, and 8 for the leaves.
      tolerances: { total: () => (8 + Math.log2(COUNT)) * U * size },
    });
  });
}
