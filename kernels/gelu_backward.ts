/**
 * GELU in its tanh form, backward: dx = dy · y'(x), with u = √(2/π) (x + 0.044715 x³) and
 * y' = (1 + tanh u)/2 + x/2 · (1 − tanh² u) · u'.
 * @module
 */
import { defineKernel, readsStored, spread, writesStored } from "./kernel.ts";
import { variantsOf, WIDE_COUNT } from "./kernel_text.ts";
import source from "./gelu_backward.wgsl" with { type: "text" };
import wasmSource from "./gelu_backward.as" with { type: "text" };

export type GeluBackwardShape = {
  readonly COUNT: number;
  /** 1 adds to `dx`, 0 overwrites it. */
  readonly ACCUMULATE: number;
};

export const geluBackward = defineKernel<GeluBackwardShape>()({
  name: "gelu_backward",
  source,
  bindings: {
    dy: readsStored(({ COUNT }) => COUNT),
    x: readsStored(({ COUNT }) => COUNT),
    dx: writesStored(({ COUNT }) => COUNT),
  },
  grid: ({ COUNT }) => spread(Math.ceil(COUNT / 256)),
  variants: variantsOf(source, { wide: WIDE_COUNT }),
  flops: ({ COUNT }) => 20 * COUNT,
  reference({ dy, x, dx }, { COUNT, ACCUMULATE }) {
    for (let i = 0; i < COUNT; i++) dx[i] = (ACCUMULATE === 1 ? dx[i]! : 0) + dy[i]! * geluSlope(x[i]!);
  },
  wasm: {
    source: wasmSource,
    entry: "gelu_backward",
    args: ({ COUNT, ACCUMULATE }) => [COUNT, ACCUMULATE],
    items: ({ COUNT }) => Math.ceil(COUNT / 64),
  },
});

/** The derivative at one place. */
export function geluSlope(x: number): number {
  const root = Math.sqrt(2 / Math.PI), tanh = Math.tanh(root * (x + 0.044715 * x ** 3));
  const innerSlope = root * (1 + 3 * 0.044715 * x ** 2);
  return (1 + tanh) / 2 + x / 2 * (1 - tanh * tanh) * innerSlope;
}
