/**
 * What every invocation of a workgroup is told of the sum and the largest of all their values: the functions of
 * `reduction.ts` alone, for the test of a device that wants to use them by subgroups. No graph has it.
 * @module
 */
import { defineKernel, reads, writes } from "./kernel.ts";
import { variantsOf } from "./kernel_text.ts";
import source from "./reduction_check.wgsl" with { type: "text" };

export type ReductionCheckShape = {
  /** Invocations of a workgroup: a power of two, at most 256. */
  readonly LANES: number;
  /** Workgroups. */
  readonly GROUPS: number;
};

export const reductionCheck = defineKernel<ReductionCheckShape>()({
  name: "reduction_check",
  source,
  bindings: {
    x: reads(({ LANES, GROUPS }) => LANES * GROUPS),
    sums: writes(({ LANES, GROUPS }) => LANES * GROUPS),
    maxima: writes(({ LANES, GROUPS }) => LANES * GROUPS),
  },
  grid: ({ GROUPS }) => [GROUPS, 1, 1],
  reduces: "f32",
  variants: variantsOf(source, { reduces: true }),
  reference({ x, sums, maxima }, { LANES, GROUPS }) {
    for (let group = 0; group < GROUPS; group++) {
      const start = group * LANES, stop = start + LANES;
      let sum = 0;
      for (let i = start; i < stop; i++) sum += x[i]!;
      sums.fill(sum, start, stop);
      maxima.fill(Math.max(...x.subarray(start, stop)), start, stop);
    }
  },
});
