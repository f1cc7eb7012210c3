/**
 * The second of two passes to the Euclidean norm of a large vector: adds the parts of `norm_squared_partial`.
 *
 * `result` is the norm, the count of non-finite values, what the gradient is to be multiplied with, and its loss scale;
 * the last two are 1 until `loss_scale` says otherwise. It stays on the device: `adamw` goes by it.
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
    result: writes(() => 4),
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
    result[2] = 1;
    result[3] = 1;
  },
});
