/**
 * Sum over the rows of a matrix: the gradient of a bias. dy is (N, C), sum is (C).
 * @module
 */
import { defineKernel, readsStored, spread, writes } from "./kernel.ts";
import { variantsOf } from "./kernel_text.ts";
import source from "./column_sum.wgsl" with { type: "text" };
import wasmSource from "./column_sum.as" with { type: "text" };

export type ColumnSumShape = {
  /** Rows: tokens of a micro-batch. */
  readonly N: number;
  /** Columns. */
  readonly C: number;
  /** 1: adds to what `sum` holds. */
  readonly ACCUMULATE: number;
};

/** Columns of one workgroup. */
const COLUMNS = 16;

export const columnSum = defineKernel<ColumnSumShape>()({
  name: "column_sum",
  source,
  bindings: {
    dy: readsStored<ColumnSumShape>(({ N, C }) => N * C),
    sum: writes<ColumnSumShape>(({ C }) => C),
  },
  grid: ({ C }) => spread(Math.ceil(C / COLUMNS)),
  variants: variantsOf(source, { wide: { fits: ({ C }) => C % 4 === 0 } }),
  flops: ({ N, C }) => N * C,
  reference({ dy, sum }, { N, C, ACCUMULATE }) {
    for (let c = 0; c < C; c++) {
      let total = ACCUMULATE === 1 ? sum[c]! : 0;
      for (let n = 0; n < N; n++) total += dy[n * C + c]!;
      sum[c] = total;
    }
  },
  wasm: {
    source: wasmSource,
    entry: "column_sum",
    args: ({ N, C, ACCUMULATE }) => [N, C, ACCUMULATE],
    items: ({ C }) => Math.ceil(C / 16),
  },
});
