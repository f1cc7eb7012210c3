/**
 * RMSNorm, backward to its weight: dw = Σ dy·x·inverse, summed over all rows.
 * @module
 */
import { defineKernel, reads, readsStored, spread, writes } from "./kernel.ts";
import { variantsOf } from "./kernel_text.ts";
import source from "./rms_norm_weights_backward.wgsl" with { type: "text" };
import wasmSource from "./rms_norm_weights_backward.as" with { type: "text" };

export type RmsNormWeightsBackwardShape = {
  /** Rows: tokens of a micro-batch. */
  readonly N: number;
  /** Columns: width of the model. */
  readonly C: number;
  /** 1: adds to what `dw` holds. */
  readonly ACCUMULATE: number;
};

/** Columns of one workgroup. */
const COLUMNS = 16;

export const rmsNormWeightsBackward = defineKernel<RmsNormWeightsBackwardShape>()({
  name: "rms_norm_weights_backward",
  source,
  bindings: {
    dy: readsStored<RmsNormWeightsBackwardShape>(({ N, C }) => N * C),
    x: reads<RmsNormWeightsBackwardShape>(({ N, C }) => N * C),
    inverse: reads<RmsNormWeightsBackwardShape>(({ N }) => N),
    dw: writes<RmsNormWeightsBackwardShape>(({ C }) => C),
  },
  grid: ({ C }) => spread(Math.ceil(C / COLUMNS)),
  variants: variantsOf(source, { wide: { fits: ({ C }) => C % 4 === 0 } }),
  flops: ({ N, C }) => 3 * N * C,
  reference({ dy, x, inverse, dw }, { N, C, ACCUMULATE }) {
    for (let c = 0; c < C; c++) {
      let weight = ACCUMULATE === 1 ? dw[c]! : 0;
      for (let n = 0; n < N; n++) weight += dy[n * C + c]! * x[n * C + c]! * inverse[n]!;
      dw[c] = weight;
    }
  },
  wasm: {
    source: wasmSource,
    entry: "rms_norm_weights_backward",
    args: ({ N, C, ACCUMULATE }) => [N, C, ACCUMULATE],
    items: ({ C }) => Math.ceil(C / 16),
  },
});
