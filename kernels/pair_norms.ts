/**
 * How much two halves of a batch agree on the gradient: the first of two passes. With A the gradient of one half
 * (`part`) and S = A + B that of both (`sum`), the sums of A², B² and A·B over BLOCKS contiguous parts of them.
 *
 * `column_sum` adds the rows of `partial` in the second pass. Values that are not finite make the sums so, or wrong:
 * whoever reads them knows from `norm_final` whether there were any.
 * @module
 */
import { defineKernel, reads, spread, writes } from "./kernel.ts";
import { variantsOf } from "./kernel_text.ts";
import source from "./pair_norms.wgsl" with { type: "text" };
import wasmSource from "./pair_norms.as" with { type: "text" };

export type PairNormsShape = {
  readonly COUNT: number;
  /** Parts; a few for each core of the device. The last ones may be empty. */
  readonly BLOCKS: number;
};

export const pairNorms = defineKernel<PairNormsShape>()({
  name: "pair_norms",
  source,
  bindings: {
    sum: reads(({ COUNT }) => COUNT),
    part: reads(({ COUNT }) => COUNT),
    /** BLOCKS rows of three: A², B², A·B. */
    partial: writes(({ BLOCKS }) => 3 * BLOCKS),
  },
  grid: ({ BLOCKS }) => spread(BLOCKS),
  reduces: "vec3f",
  variants: variantsOf(source, { reduces: true, wide: { fits: ({ COUNT }) => COUNT % 4 === 0 } }),
  flops: ({ COUNT }) => 7 * COUNT,
  reference({ sum, part, partial }, { COUNT, BLOCKS }) {
    const size = Math.ceil(COUNT / BLOCKS);
    for (let block = 0; block < BLOCKS; block++) {
      let first = 0, second = 0, inner = 0;
      for (let i = block * size; i < Math.min(COUNT, (block + 1) * size); i++) {
        const a = part[i]!, b = sum[i]! - a;
        first += a * a;
        second += b * b;
        inner += a * b;
      }
      partial.set([first, second, inner], 3 * block);
    }
  },
  wasm: {
    source: wasmSource,
    entry: "pair_norms",
    args: ({ COUNT, BLOCKS }) => [COUNT, BLOCKS],
    items: ({ BLOCKS }) => BLOCKS,
  },
});
