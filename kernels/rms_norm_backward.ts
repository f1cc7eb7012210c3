/**
 * RMSNorm, backward to its input. With x̂ = x·inverse and g = dy·w, for each row of C values:
 * dx = inverse·(g − x̂·mean(g·x̂)).
 *
 * The learned weight has a kernel of its own, `rms_norm_weights_backward`.
 * @module
 */
import { defineKernel, reads, readsStored, spread, writes } from "./kernel.ts";
import { variantsOf } from "./kernel_text.ts";
import source from "./rms_norm_backward.wgsl" with { type: "text" };
import wasmSource from "./rms_norm_backward.as" with { type: "text" };

export type RmsNormBackwardShape = {
  /** Rows: tokens of a micro-batch. */
  readonly N: number;
  /** Columns: width of the model. */
  readonly C: number;
  /** 1: adds to what `dx` holds, which is how the residual stream's gradient grows. */
  readonly ACCUMULATE: number;
};

export const rmsNormBackward = defineKernel<RmsNormBackwardShape>()({
  name: "rms_norm_backward",
  source,
  bindings: {
    dy: readsStored<RmsNormBackwardShape>(({ N, C }) => N * C),
    x: reads<RmsNormBackwardShape>(({ N, C }) => N * C),
    w: reads<RmsNormBackwardShape>(({ C }) => C),
    inverse: reads<RmsNormBackwardShape>(({ N }) => N),
    dx: writes<RmsNormBackwardShape>(({ N, C }) => N * C),
  },
  grid: ({ N }) => spread(N),
  reduces: "f32",
  variants: variantsOf(source, { reduces: true, wide: { fits: ({ C }) => C % 4 === 0 } }),
  flops: ({ N, C }) => 9 * N * C,
  reference({ dy, x, w, inverse, dx }, { N, C, ACCUMULATE }) {
    for (let n = 0; n < N; n++) {
      const row = n * C, scale = inverse[n]!;
      let dot = 0;
      for (let c = 0; c < C; c++) dot += dy[row + c]! * w[c]! * x[row + c]! * scale;
      for (let c = 0; c < C; c++) {
        const gradient = scale * (dy[row + c]! * w[c]! - x[row + c]! * scale * dot / C);
        dx[row + c] = gradient + (ACCUMULATE === 1 ? dx[row + c]! : 0);
      }
    }
  },
  wasm: {
    source: wasmSource,
    entry: "rms_norm_backward",
    args: ({ C, ACCUMULATE }) => [C, ACCUMULATE],
    items: ({ N }) => N,
  },
});
