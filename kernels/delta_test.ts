import { checkKernel, gpuTest, noise, U } from "../tests/kernels/check.ts";
import { delta } from "./delta.ts";

for (const DECAY of [1, 0.95]) {
  gpuTest(`delta on a GPU is how far the parameters went, plus ${DECAY} of what was left over`, async () => {
    const COUNT = 1031;
    await checkKernel(delta, {
      shape: { COUNT, DECAY },
      inputs: { anchor: noise(COUNT, 1), p: noise(COUNT, 2), residual: noise(COUNT, 3, 0.01) },
      tolerances: { delta: () => 4 * U }, // three roundings, in any order, of numbers up to 2.01; DECAY's own is of 0.01
    });
  });
}
