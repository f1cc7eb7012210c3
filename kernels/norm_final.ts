/**
 * The second of two passes to the Euclidean norm of a large vector: adds the parts of `norm_squared_partial`.
 *
 * `result` is the norm, then the count of non-finite values. It stays on the device: `adamw` clips by it.
 * @module
 */
import { defineKernel, reads, writes } from "./kernel.ts";
import source from "./norm_final.wgsl" with { type: "text" };

export type NormFinalShape = {
  readonly BLOCKS: number;
};

export const normFinal = defineKernel<NormFinalShape>()({
  name: "norm_final",
  source,
  bindings: {
    /** BLOCKS sums of squares, then BLOCKS counts. */
    partial: reads(({ BLOCKS }) => 2 * BLOCKS),
    result: writes(() => 2),
  },
  grid: () => [1, 1, 1],
  flops: ({ BLOCKS }) => 2 * BLOCKS,
  reference({ partial, result }, { BLOCKS }) {
    let squares = 0, nonFinite = 0;
    for (let block = 0; block < BLOCKS; block++) {
      squares += partial[block]!;
      nonFinite += partial[BLOCKS + block]!;
    }
    result[0] = Math.sqrt(squares);
    result[1] = nonFinite;
  },
});
