/**
 * Layer normalisation, forward: every row of x (N, C) is shifted to mean 0 and scaled to variance 1, then by a learned
 * weight and bias. `mean` and `inverse` (1 / standard deviation) are kept for the backward kernels.
 *
 * The variance divides by C, not C − 1. Ba, Kiros and Hinton 2016, arXiv 1607.06450, eq. 4, with ε inside the root as
 * in PyTorch.
 * @module
 */
import { defineKernel, reads, spread, writes, writesStored } from "./kernel.ts";
import { variantsOf } from "./kernel_text.ts";
import source from "./layer_norm.wgsl" with { type: "text" };
import wasmSource from "./layer_norm.as" with { type: "text" };

export type LayerNormShape = {
  /** Rows: tokens of a micro-batch. */
  readonly N: number;
  /** Columns: width of the model. */
  readonly C: number;
  /** Added to the variance; GPT-2 has 1e-5. */
  readonly EPSILON: number;
};

export const layerNorm = defineKernel<LayerNormShape>()({
  name: "layer_norm",
  source,
  bindings: {
    x: reads<LayerNormShape>(({ N, C }) => N * C),
    w: reads<LayerNormShape>(({ C }) => C),
    b: reads<LayerNormShape>(({ C }) => C),
    y: writesStored<LayerNormShape>(({ N, C }) => N * C),
    mean: writes<LayerNormShape>(({ N }) => N),
    inverse: writes<LayerNormShape>(({ N }) => N),
  },
  grid: ({ N }) => spread(N),
  reduces: "vec2f",
  variants: variantsOf(source, { reduces: true, wide: { fits: ({ C }) => C % 4 === 0 } }),
  flops: ({ N, C }) => 8 * N * C,
  reference({ x, w, b, y, mean, inverse }, { N, C, EPSILON }) {
    for (let n = 0; n < N; n++) {
      const row = n * C;
      let sum = 0, squares = 0;
      for (let c = 0; c < C; c++) sum += x[row + c]!;
      const centre = sum / C;
      for (let c = 0; c < C; c++) squares += (x[row + c]! - centre) ** 2;
      const scale = 1 / Math.sqrt(squares / C + EPSILON);
      for (let c = 0; c < C; c++) y[row + c] = (x[row + c]! - centre) * scale * w[c]! + b[c]!;
      mean[n] = centre;
      inverse[n] = scale;
    }
  },
  wasm: {
    source: wasmSource,
    entry: "layer_norm",
    args: ({ C, EPSILON }) => [C, EPSILON],
    items: ({ N }) => N,
  },
});
