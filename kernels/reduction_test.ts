import { checkKernel, gpuTest, noise, U } from "../tests/kernels/check.ts";
import { reductionCheck } from "./reduction_check.ts";

for (const LANES of [1, 2, 16, 64, 256]) {
  gpuTest(
    `a workgroup of ${LANES} knows the sum and the largest of its values, by a tree and by subgroups`,
    async () => {
      const GROUPS = 3, x = noise(LANES * GROUPS, 1, 5).map((value) => value - 6); // all below 0: no zero gets in unseen
      await checkKernel(reductionCheck, {
        shape: { LANES, GROUPS },
        inputs: { x },
        tolerances: { sums: (wanted) => (1 + Math.log2(LANES)) * U * Math.abs(wanted), maxima: () => 0 },
      });
    },
  );
}
