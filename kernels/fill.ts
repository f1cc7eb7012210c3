/**
 * Fill: every value of a buffer becomes one number, which is data so that it may change without a new pipeline.
 * @module
 */
import { defineKernel, reads, spread, writes } from "./kernel.ts";
import { variantsOf, WIDE_COUNT } from "./kernel_text.ts";
import source from "./fill.wgsl" with { type: "text" };
import wasmSource from "./fill.as" with { type: "text" };

export type FillShape = {
  readonly COUNT: number;
};

export const fill = defineKernel<FillShape>()({
  name: "fill",
  source,
  bindings: {
    value: reads(() => 1),
    y: writes(({ COUNT }) => COUNT),
  },
  grid: ({ COUNT }) => spread(Math.ceil(COUNT / 256)),
  variants: variantsOf(source, { wide: WIDE_COUNT }),
  reference({ value, y }) {
    y.fill(value[0]!);
  },
  wasm: {
    source: wasmSource,
    entry: "fill",
    args: ({ COUNT }) => [COUNT],
    items: ({ COUNT }) => Math.ceil(COUNT / 64),
  },
});
