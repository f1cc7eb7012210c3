/**
 * The first of two passes to the Euclidean norm of a large vector: sums of squares, and counts of values that are NaN
 * or infinite, of BLOCKS contiguous parts. Non-finite values are counted and left out of the sums.
 * @module
 */
import { defineKernel, reads, spread, writes } from "./kernel.ts";
import { variantsOf } from "./kernel_text.ts";
import source from "./norm_squared_partial.wgsl" with { type: "text" };
import wasmSource from "./norm_squared_partial.as" with { type: "text" };

export type NormSquaredPartialShape = {
  readonly COUNT: number;
  /** Parts; a few for each core of the device. The last ones may be empty. */
  readonly BLOCKS: number;
};

export const normSquaredPartial = defineKernel<NormSquaredPartialShape>()({
  name: "norm_squared_partial",
  source,
  bindings: {
    x: reads(({ COUNT }) => COUNT),
    /** BLOCKS sums, then BLOCKS counts. */
    partial: writes(({ BLOCKS }) => 2 * BLOCKS),
  },
  grid: ({ BLOCKS }) => spread(BLOCKS),
  reduces: "vec2f",
  variants: variantsOf(source, { reduces: true, wide: { fits: ({ COUNT }) => COUNT % 4 === 0 } }),
  flops: ({ COUNT }) => 2 * COUNT,
  reference({ x, partial }, { COUNT, BLOCKS }) {
    const size = Math.ceil(COUNT / BLOCKS);
    for (let block = 0; block < BLOCKS; block++) {
      let sum = 0, nonFinite = 0;
      for (let i = block * size; i < Math.min(COUNT, (block + 1) * size); i++) {
        if (Number.isFinite(x[i]!)) sum += x[i]! ** 2;
        else nonFinite++;
      }
      partial[block] = sum;
      partial[BLOCKS + block] = nonFinite;
    }
  },
  wasm: {
    source: wasmSource,
    entry: "norm_squared_partial",
    args: ({ COUNT, BLOCKS }) => [COUNT, BLOCKS],
    items: ({ BLOCKS }) => BLOCKS,
  },
});
