/**
 * Copy, or with `ACCUMULATE` y += x: what gradients do at a branch of the graph.
 * @module
 */
import { defineKernel, readsStored, spread, writesStored } from "./kernel.ts";
import { variantsOf, WIDE_COUNT } from "./kernel_text.ts";
import source from "./copy.wgsl" with { type: "text" };
import wasmSource from "./copy.as" with { type: "text" };

export type CopyShape = {
  readonly COUNT: number;
  /** 1 adds to `y`, 0 overwrites it. */
  readonly ACCUMULATE: number;
};

export const copy = defineKernel<CopyShape>()({
  name: "copy",
  source,
  bindings: {
    x: readsStored(({ COUNT }) => COUNT),
    y: writesStored(({ COUNT }) => COUNT),
  },
  grid: ({ COUNT }) => spread(Math.ceil(COUNT / 256)),
  variants: variantsOf(source, { wide: WIDE_COUNT }),
  reference({ x, y }, { COUNT, ACCUMULATE }) {
    for (let i = 0; i < COUNT; i++) y[i] = ACCUMULATE === 1 ? y[i]! + x[i]! : x[i]!;
  },
  wasm: {
    source: wasmSource,
    entry: "copy",
    args: ({ COUNT, ACCUMULATE }) => [COUNT, ACCUMULATE],
    items: ({ COUNT }) => Math.ceil(COUNT / 64),
  },
});
