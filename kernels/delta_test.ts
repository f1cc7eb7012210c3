import { checkKernel, gpuTest, noise, U } from "../tests/kernels/check.ts";
import { delta } from "./delta.ts";

for (const [DECAY, COUNT] of [[1, 1031], [0.95, 2052]] as const) {
  gpuTest(`delta on a GPU is how far ${COUNT} parameters went, plus ${DECAY} of what was left over`, async () => {
    await checkKernel(delta, {
      shape: { COUNT, DECAY },
      inputs: { anchor: noise(COUNT, 1), p: noise(COUNT, 2), residual: noise(COUNT, 3, 0.01) },
      tolerances: { delta: () => 4 * U }, // three roundings, in any order, of numbers up to 2.01; DECAY's own is of 0.01
    });
  });
}
