/**
 * RMSNorm, forward: every row of x (N, C) is scaled to unit root mean square, then by a learned weight. `inverse`
 * (1 / root mean square) is kept for the backward kernels.
 *
 * Zhang and Sennrich 2019, arXiv 1910.07467, eq. 4, with the ε of Llama inside the root.
 * @module
 */
import { defineKernel, reads, spread, writes, writesStored } from "./kernel.ts";
import { variantsOf } from "./kernel_text.ts";
import source from "./rms_norm.wgsl" with { type: "text" };
import wasmSource from "./rms_norm.as" with { type: "text" };

export type RmsNormShape = {
  /** Rows: tokens of a micro-batch. */
  readonly N: number;
  /** Columns: width of the model. */
  readonly C: number;
  /** Added to the mean square; Llama models have 1e-5 or 1e-6. */
  readonly EPSILON: number;
};

export const rmsNorm = defineKernel<RmsNormShape>()({
  name: "rms_norm",
  source,
  bindings: {
    x: reads<RmsNormShape>(({ N, C }) => N * C),
    w: reads<RmsNormShape>(({ C }) => C),
    y: writesStored<RmsNormShape>(({ N, C }) => N * C),
    inverse: writes<RmsNormShape>(({ N }) => N),
  },
  grid: ({ N }) => spread(N),
  reduces: "f32",
  variants: variantsOf(source, { reduces: true, wide: { fits: ({ C }) => C % 4 === 0 } }),
  flops: ({ N, C }) => 4 * N * C,
  reference({ x, w, y, inverse }, { N, C, EPSILON }) {
    for (let n = 0; n < N; n++) {
      const row = n * C;
      let squares = 0;
      for (let c = 0; c < C; c++) squares += x[row + c]! ** 2;
      const scale = 1 / Math.sqrt(squares / C + EPSILON);
      for (let c = 0; c < C; c++) y[row + c] = x[row + c]! * scale * w[c]!;
      inverse[n] = scale;
    }
  },
  wasm: {
    source: wasmSource,
    entry: "rms_norm",
    args: ({ C, EPSILON }) => [C, EPSILON],
    items: ({ N }) => N,
  },
});
