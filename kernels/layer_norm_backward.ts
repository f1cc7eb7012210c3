/**
 * Layer normalisation, backward to its input. With x̂ = (x − mean)·inverse and g = dy·w, for each row of C values:
 * dx = inverse·(g − mean(g) − x̂·mean(g·x̂)).
 *
 * The learned weight and bias have a kernel of their own, `layer_norm_weights_backward`, because their sums run down
 * the columns.
 * @module
 */
import { defineKernel, reads, readsStored, spread, writes } from "./kernel.ts";
import { variantsOf } from "./kernel_text.ts";
import source from "./layer_norm_backward.wgsl" with { type: "text" };
import wasmSource from "./layer_norm_backward.as" with { type: "text" };

export type LayerNormBackwardShape = {
  /** Rows: tokens of a micro-batch. */
  readonly N: number;
  /** Columns: width of the model. */
  readonly C: number;
  /** 1: adds to what `dx` holds, which is how the residual stream's gradient grows. */
  readonly ACCUMULATE: number;
};

export const layerNormBackward = defineKernel<LayerNormBackwardShape>()({
  name: "layer_norm_backward",
  source,
  bindings: {
    dy: readsStored<LayerNormBackwardShape>(({ N, C }) => N * C),
    x: reads<LayerNormBackwardShape>(({ N, C }) => N * C),
    w: reads<LayerNormBackwardShape>(({ C }) => C),
    mean: reads<LayerNormBackwardShape>(({ N }) => N),
    inverse: reads<LayerNormBackwardShape>(({ N }) => N),
    dx: writes<LayerNormBackwardShape>(({ N, C }) => N * C),
  },
  grid: ({ N }) => spread(N),
  reduces: "vec2f",
  variants: variantsOf(source, { reduces: true, wide: { fits: ({ C }) => C % 4 === 0 } }),
  flops: ({ N, C }) => 13 * N * C,
  reference({ dy, x, w, mean, inverse, dx }, { N, C, ACCUMULATE }) {
    for (let n = 0; n < N; n++) {
      const row = n * C, scale = inverse[n]!;
      const normalised = (c: number) => (x[row + c]! - mean[n]!) * scale;
      let sum = 0, dot = 0;
      for (let c = 0; c < C; c++) {
        const g = dy[row + c]! * w[c]!;
        sum += g;
        dot += g * normalised(c);
      }
      for (let c = 0; c < C; c++) {
        const g = dy[row + c]! * w[c]!;
        const gradient = scale * (g - sum / C - normalised(c) * dot / C);
        dx[row + c] = gradient + (ACCUMULATE === 1 ? dx[row + c]! : 0);
      }
    }
  },
  wasm: {
    source: wasmSource,
    entry: "layer_norm_backward",
    args: ({ C, ACCUMULATE }) => [C, ACCUMULATE],
    items: ({ N }) => N,
  },
});
