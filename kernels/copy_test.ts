import { checkKernel, gpuTest, noise, U } from "../tests/kernels/check.ts";
import { copy } from "./copy.ts";

for (const COUNT of [1, 256, 1031, 2052]) {
  gpuTest(`copy on a GPU changes no bit of ${COUNT} values`, async () => {
    await checkKernel(copy, {
      shape: { COUNT, ACCUMULATE: 0 },
      inputs: { x: noise(COUNT, 1) },
      tolerances: { y: () => 0 },
    });
  });

  gpuTest(`copy on a GPU with ACCUMULATE rounds the exact sum once for ${COUNT} values`, async () => {
    await checkKernel(copy, {
      shape: { COUNT, ACCUMULATE: 1 },
      inputs: { x: noise(COUNT, 1), y: noise(COUNT, 2) },
      tolerances: { y: (wanted) => U * Math.abs(wanted) },
    });
  });
}
