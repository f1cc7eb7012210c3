/**
 * GELU in its tanh form, forward: y = x/2 · (1 + tanh(√(2/π) (x + 0.044715 x³))).
 *
 * Hendrycks and Gimpel 2016, arXiv 1606.08415, section 2: the form of GPT-2 (`gelu_new` of transformers).
 * @module
 */
import { defineKernel, readsStored, spread, writesStored } from "./kernel.ts";
import { variantsOf, WIDE_COUNT } from "./kernel_text.ts";
import source from "./gelu.wgsl" with { type: "text" };
import wasmSource from "./gelu.as" with { type: "text" };

export type GeluShape = {
  readonly COUNT: number;
};

export const gelu = defineKernel<GeluShape>()({
  name: "gelu",
  source,
  bindings: {
    x: readsStored(({ COUNT }) => COUNT),
    y: writesStored(({ COUNT }) => COUNT),
  },
  grid: ({ COUNT }) => spread(Math.ceil(COUNT / 256)),
  variants: variantsOf(source, { wide: WIDE_COUNT }),
  flops: ({ COUNT }) => 10 * COUNT,
  reference({ x, y }, { COUNT }) {
    for (let i = 0; i < COUNT; i++) y[i] = geluOf(x[i]!);
  },
  wasm: {
    source: wasmSource,
    entry: "gelu",
    args: ({ COUNT }) => [COUNT],
    items: ({ COUNT }) => Math.ceil(COUNT / 64),
  },
});

/** One value. */
export function geluOf(x: number): number {
  return x / 2 * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3)));
}
