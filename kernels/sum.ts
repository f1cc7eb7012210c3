/**
 * Sum of a vector: the loss of a micro-batch out of the losses of its tokens. One workgroup does it, which is enough
 * for the thousands of values that a micro-batch has.
 * @module
 */
import { defineKernel, reads, writes } from "./kernel.ts";
import { variantsOf } from "./kernel_text.ts";
import source from "./sum.wgsl" with { type: "text" };
import wasmSource from "./sum.as" with { type: "text" };

export type SumShape = {
  readonly COUNT: number;
  /** 1 adds to `total`, 0 overwrites it. */
  readonly ACCUMULATE: number;
};

export const sum = defineKernel<SumShape>()({
  name: "sum",
  source,
  bindings: {
    x: reads(({ COUNT }) => COUNT),
    total: writes(() => 1),
  },
  grid: () => [1, 1, 1],
  reduces: "f32",
  variants: variantsOf(source, { reduces: true, wide: { fits: ({ COUNT }) => COUNT % 4 === 0 } }),
  flops: ({ COUNT }) => COUNT,
  reference({ x, total }, { COUNT, ACCUMULATE }) {
    let result = ACCUMULATE === 1 ? total[0]! : 0;
    for (let i = 0; i < COUNT; i++) result += x[i]!;
    total[0] = result;
  },
  wasm: {
    source: wasmSource,
    entry: "sum",
    args: ({ COUNT, ACCUMULATE }) => [COUNT, ACCUMULATE],
    items: () => 1,
  },
});
