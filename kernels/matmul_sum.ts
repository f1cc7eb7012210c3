/**
 * Adds the parts of a product that was cut along K (`matmul_partial`), and what `matmul` adds to a whole one.
 * @module
 */
import { defineKernel, reads, spread, writesStored } from "./kernel.ts";
import { variantsOf } from "./kernel_text.ts";
import type { MatmulShape } from "./matmul.ts";
import source from "./matmul_sum.wgsl" with { type: "text" };

export type MatmulSumShape = Pick<MatmulShape, "M" | "N" | "BIAS" | "RESIDUAL" | "ACCUMULATE"> & {
  /** How many parts there are. */
  readonly SPLIT: number;
};

export const matmulSum = defineKernel<MatmulSumShape>()({
  name: "matmul_sum",
  source,
  bindings: {
    partial: reads<MatmulSumShape>(({ SPLIT, M, N }) => SPLIT * M * N),
    bias: reads<MatmulSumShape>(({ BIAS, N }) => BIAS === 1 ? N : 1),
    residual: reads<MatmulSumShape>(({ RESIDUAL, M, N }) => RESIDUAL === 1 ? M * N : 1),
    y: writesStored<MatmulSumShape>(({ M, N }) => M * N),
  },
  grid: ({ M, N }) => spread(Math.ceil(M * N / 256)),
  variants: variantsOf(source, {
    wide: { fits: ({ N }) => N % 4 === 0, grid: ({ M, N }) => spread(Math.ceil(M * N / 4 / 256)) },
  }),
  flops: ({ M, N, SPLIT }) => M * N * SPLIT,
  reference({ partial, bias, residual, y }, { M, N, SPLIT, BIAS, RESIDUAL, ACCUMULATE }) {
    for (let i = 0; i < M * N; i++) {
      let sum = 0;
      for (let part = 0; part < SPLIT; part++) sum += partial[part * M * N + i]!;
      if (BIAS === 1) sum += bias[i % N]!;
      if (RESIDUAL === 1) sum += residual[i]!;
      y[i] = sum + (ACCUMULATE === 1 ? y[i]! : 0);
    }
  },
});
