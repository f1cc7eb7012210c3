/**
 * Layer normalisation, backward to its weight and bias: with x̂ = (x − mean)·inverse, summed over all rows,
 * dw = Σ dy·x̂ and db = Σ dy.
 * @module
 */
import { defineKernel, reads, readsStored, spread, writes } from "./kernel.ts";
import { variantsOf } from "./kernel_text.ts";
import source from "./layer_norm_weights_backward.wgsl" with { type: "text" };
import wasmSource from "./layer_norm_weights_backward.as" with { type: "text" };

export type LayerNormWeightsBackwardShape = {
  /** Rows: tokens of a micro-batch. */
  readonly N: number;
  /** Columns: width of the model. */
  readonly C: number;
  /** 1: adds to what `dw` and `db` hold. */
  readonly ACCUMULATE: number;
};

/** Columns of one workgroup. */
const COLUMNS = 16;

export const layerNormWeightsBackward = defineKernel<LayerNormWeightsBackwardShape>()({
  name: "layer_norm_weights_backward",
  source,
  bindings: {
    dy: readsStored<LayerNormWeightsBackwardShape>(({ N, C }) => N * C),
    x: reads<LayerNormWeightsBackwardShape>(({ N, C }) => N * C),
    mean: reads<LayerNormWeightsBackwardShape>(({ N }) => N),
    inverse: reads<LayerNormWeightsBackwardShape>(({ N }) => N),
    dw: writes<LayerNormWeightsBackwardShape>(({ C }) => C),
    db: writes<LayerNormWeightsBackwardShape>(({ C }) => C),
  },
  grid: ({ C }) => spread(Math.ceil(C / COLUMNS)),
  variants: variantsOf(source, { wide: { fits: ({ C }) => C % 4 === 0 } }),
  flops: ({ N, C }) => 5 * N * C,
  reference({ dy, x, mean, inverse, dw, db }, { N, C, ACCUMULATE }) {
    for (let c = 0; c < C; c++) {
      let weight = ACCUMULATE === 1 ? dw[c]! : 0;
      let bias = ACCUMULATE === 1 ? db[c]! : 0;
      for (let n = 0; n < N; n++) {
        weight += dy[n * C + c]! * (x[n * C + c]! - mean[n]!) * inverse[n]!;
        bias += dy[n * C + c]!;
      }
      dw[c] = weight;
      db[c] = bias;
    }
  },
  wasm: {
    source: wasmSource,
    entry: "layer_norm_weights_backward",
    args: ({ N, C, ACCUMULATE }) => [N, C, ACCUMULATE],
    items: ({ C }) => Math.ceil(C / 16),
  },
});
