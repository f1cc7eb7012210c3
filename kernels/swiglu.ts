/**
 * SwiGLU, forward: y = SiLU(gate) · up, with SiLU(g) = g · σ(g).
 *
 * A row of `x` is packed: F values of the gate, then F of up, as one matmul makes them. N tokens, F hidden width.
 *
 * Shazeer 2020, arXiv 2002.05202, eq. 5 and 6.
 * @module
 */
import { defineKernel, readsStored, spread, writesStored } from "./kernel.ts";
import { variantsOf } from "./kernel_text.ts";
import source from "./swiglu.wgsl" with { type: "text" };
import wasmSource from "./swiglu.as" with { type: "text" };

export type SwigluShape = {
  readonly N: number;
  readonly F: number;
};

export const swiglu = defineKernel<SwigluShape>()({
  name: "swiglu",
  source,
  bindings: {
    x: readsStored(({ N, F }) => N * 2 * F),
    y: writesStored(({ N, F }) => N * F),
  },
  grid: ({ N, F }) => spread(Math.ceil(N * F / 256)),
  variants: variantsOf(source, {
    wide: { fits: ({ F }) => F % 4 === 0, grid: ({ N, F }) => spread(Math.ceil(N * F / 4 / 256)) },
  }),
  flops: ({ N, F }) => 5 * N * F,
  reference({ x, y }, { N, F }) {
    for (let n = 0; n < N; n++) {
      for (let f = 0; f < F; f++) {
        const gate = x[n * 2 * F + f]!, up = x[n * 2 * F + F + f]!;
        y[n * F + f] = gate / (1 + Math.exp(-gate)) * up;
      }
    }
  },
  wasm: {
    source: wasmSource,
    entry: "swiglu",
    args: ({ F }) => [F],
    items: ({ N }) => N,
  },
});
