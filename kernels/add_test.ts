import { checkKernel, gpuTest, noise, U } from "../tests/kernels/check.ts";
import { add } from "./add.ts";

for (const COUNT of [1, 255, 256, 1031, 2052]) {
  gpuTest(`add on a GPU rounds the exact sum once for ${COUNT} values`, async () => {
    await checkKernel(add, {
      shape: { COUNT },
      inputs: { a: noise(COUNT, 1), b: noise(COUNT, 2) },
      tolerances: { y: (wanted) => U * Math.abs(wanted) },
    });
  });
}
