/**
 * SwiGLU, backward: with σ = σ(gate), dgate = dy · up · σ · (1 + gate · (1 − σ)) and dup = dy · gate · σ.
 *
 * `x` and `dx` are packed rows: F of gate, then F of up. N tokens, F hidden width.
 * @module
 */
import { defineKernel, readsStored, spread, writesStored } from "./kernel.ts";
import { variantsOf } from "./kernel_text.ts";
import source from "./swiglu_backward.wgsl" with { type: "text" };
import wasmSource from "./swiglu_backward.as" with { type: "text" };

export type SwigluBackwardShape = {
  readonly N: number;
  readonly F: number;
  /** 1 adds to `dx`, 0 overwrites it. */
  readonly ACCUMULATE: number;
};

export const swigluBackward = defineKernel<SwigluBackwardShape>()({
  name: "swiglu_backward",
  source,
  bindings: {
    dy: readsStored(({ N, F }) => N * F),
    x: readsStored(({ N, F }) => N * 2 * F),
    dx: writesStored(({ N, F }) => N * 2 * F),
  },
  grid: ({ N, F }) => spread(Math.ceil(N * F / 256)),
  variants: variantsOf(source, {
    wide: { fits: ({ F }) => F % 4 === 0, grid: ({ N, F }) => spread(Math.ceil(N * F / 4 / 256)) },
  }),
  flops: ({ N, F }) => 12 * N * F,
  reference({ dy, x, dx }, { N, F, ACCUMULATE }) {
    if (ACCUMULATE === 0) dx.fill(0);
    for (let n = 0; n < N; n++) {
      for (let f = 0; f < F; f++) {
        const at = n * 2 * F + f, gate = x[at]!, up = x[at + F]!, slope = dy[n * F + f]!;
        const sigma = 1 / (1 + Math.exp(-gate));
        dx[at]! += slope * up * sigma * (1 + gate * (1 - sigma));
        dx[at + F]! += slope * gate * sigma;
      }
    }
  },
  wasm: {
    source: wasmSource,
    entry: "swiglu_backward",
    args: ({ F, ACCUMULATE }) => [F, ACCUMULATE],
    items: ({ N }) => N,
  },
});
