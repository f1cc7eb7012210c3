/**
 * The gradient of a linear layer's input, passed on through the GELU that made it: y = (a·b) · GELU'(pre).
 *
 * With a the gradient of the layer's output and b its weights (K, N), a·b is the gradient of GELU(pre). Its pieces are
 * `matmul` and `gelu_backward`; one kernel for each tiling, as of `matmul`.
 * @module
 */
import { geluSlope } from "./gelu_backward.ts";
import { defineKernel, type Kernel, readsStored, writesStored } from "./kernel.ts";
import type { MatmulShape } from "./matmul.ts";
import { productVariants, tiledProduct } from "./tiled_product.ts";
import { DEFAULT_TILING, forEachTiling, tileGrid } from "./tiling.ts";
import source from "./matmul_gelu_backward.wgsl" with { type: "text" };

export type MatmulGeluBackwardShape = Pick<MatmulShape, "M" | "N" | "K">;

/** By name of their tiling. */
export const matmulGeluBackwardForms: ReadonlyMap<string, Kernel<MatmulGeluBackwardShape>> = forEachTiling(
  "matmul_gelu_backward",
  (tiling, name) =>
    defineKernel<MatmulGeluBackwardShape>()({
      name,
      source: tiledProduct(source, tiling),
      variants: productVariants(source, tiling, {
        sides: ({ M, N, K }) => ({ M, K, columns: N, TRANSPOSE_A: 0, TRANSPOSE_B: 0 }),
      }),
      bindings: {
        a: readsStored<MatmulGeluBackwardShape>(({ M, K }) => M * K),
        b: readsStored<MatmulGeluBackwardShape>(({ K, N }) => K * N),
        pre: readsStored<MatmulGeluBackwardShape>(({ M, N }) => M * N),
        y: writesStored<MatmulGeluBackwardShape>(({ M, N }) => M * N),
      },
      grid: ({ M, N }) => tileGrid(tiling, { rows: M, columns: N }),
      flops: ({ M, N, K }) => 2 * M * N * K,
      reference({ a, b, pre, y }, { M, N, K }) {
        for (let m = 0; m < M; m++) {
          for (let n = 0; n < N; n++) {
            let sum = 0;
            for (let k = 0; k < K; k++) sum += a[m * K + k]! * b[k * N + n]!;
            y[m * N + n] = sum * geluSlope(pre[m * N + n]!);
          }
        }
      },
    }),
);

export const matmulGeluBackward: Kernel<MatmulGeluBackwardShape> = matmulGeluBackwardForms.get(DEFAULT_TILING.name)!;
