import { checkKernel, gpuTest } from "../tests/kernels/check.ts";
import { fill } from "./fill.ts";

for (const COUNT of [1, 256, 1031, 2052]) {
  gpuTest(`fill on a GPU writes ${COUNT} values and nothing else`, async () => {
    await checkKernel(fill, { shape: { COUNT }, inputs: { value: [-2.7] }, tolerances: { y: () => 0 } });
  });
}
