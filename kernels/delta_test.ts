import { checkKernel, gpuTest, noise, U } from "../tests/kernels/check.ts";
import { delta } from "./delta.ts";

gpuTest("delta on a GPU is how far the parameters went, plus what was left over", async () => {
  const COUNT = 1031;
  await checkKernel(delta, {
    shape: { COUNT },
    inputs: { anchor: noise(COUNT, 1), p: noise(COUNT, 2), residual: noise(COUNT, 3, 0.01) },
    tolerances: { delta: () => 4 * U }, // two roundings, in either order, of numbers up to 2.01
  });
});
