/**
 * Addition of two vectors: y = a + b.
 * @module
 */
import { defineKernel, reads, spread, writes } from "./kernel.ts";
import { variantsOf, WIDE_COUNT } from "./kernel_text.ts";
import source from "./add.wgsl" with { type: "text" };
import wasmSource from "./add.as" with { type: "text" };

export type AddShape = {
  readonly COUNT: number;
};

export const add = defineKernel<AddShape>()({
  name: "add",
  source,
  bindings: {
    a: reads(({ COUNT }) => COUNT),
    b: reads(({ COUNT }) => COUNT),
    y: writes(({ COUNT }) => COUNT),
  },
  grid: ({ COUNT }) => spread(Math.ceil(COUNT / 256)),
  variants: variantsOf(source, { wide: WIDE_COUNT }),
  flops: ({ COUNT }) => COUNT,
  reference({ a, b, y }, { COUNT }) {
    for (let i = 0; i < COUNT; i++) y[i] = a[i]! + b[i]!;
  },
  wasm: {
    source: wasmSource,
    entry: "add",
    args: ({ COUNT }) => [COUNT],
    items: ({ COUNT }) => Math.ceil(COUNT / 64),
  },
});
