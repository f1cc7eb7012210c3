/**
 * A linear layer with the GELU that follows it: pre = a·bᵀ (+ bias), y = GELU(pre). The backward pass needs both, and may
 * make y again from pre: so y is GELU of what is stored, rounded where that is f16.
 *
 * `b` is stored (N, K), as weights are. Its pieces are `matmul` and `gelu`; one kernel for each tiling, as of `matmul`.
 * @module
 */
import { geluOf } from "./gelu.ts";
import { defineKernel, type Kernel, reads, readsStored, writesStored } from "./kernel.ts";
import type { MatmulShape } from "./matmul.ts";
import { productVariants, tiledProduct } from "./tiled_product.ts";
import { DEFAULT_TILING, forEachTiling, tileGrid } from "./tiling.ts";
import source from "./matmul_gelu.wgsl" with { type: "text" };

export type MatmulGeluShape = Pick<MatmulShape, "M" | "N" | "K" | "BIAS">;

/** By name of their tiling. */
export const matmulGeluForms: ReadonlyMap<string, Kernel<MatmulGeluShape>> = forEachTiling(
  "matmul_gelu",
  (tiling, name) =>
    defineKernel<MatmulGeluShape>()({
      name,
      source: tiledProduct(source, tiling),
      variants: productVariants(source, tiling, {
        sides: ({ M, N, K }) => ({ M, K, columns: N, TRANSPOSE_A: 0, TRANSPOSE_B: 1 }),
      }),
      bindings: {
        a: readsStored<MatmulGeluShape>(({ M, K }) => M * K),
        b: readsStored<MatmulGeluShape>(({ K, N }) => K * N),
        bias: reads<MatmulGeluShape>(({ BIAS, N }) => BIAS === 1 ? N : 1),
        pre: writesStored<MatmulGeluShape>(({ M, N }) => M * N),
        y: writesStored<MatmulGeluShape>(({ M, N }) => M * N),
      },
      grid: ({ M, N }) => tileGrid(tiling, { rows: M, columns: N }),
      flops: ({ M, N, K }) => 2 * M * N * K,
      reference({ a, b, bias, pre, y }, { M, N, K, BIAS }) {
        for (let m = 0; m < M; m++) {
          for (let n = 0; n < N; n++) {
            let sum = BIAS === 1 ? bias[n]! : 0;
            for (let k = 0; k < K; k++) sum += a[m * K + k]! * b[n * K + k]!;
            pre[m * N + n] = sum;
            y[m * N + n] = geluOf(pre[m * N + n]!);
          }
        }
      },
    }),
);

export const matmulGelu: Kernel<MatmulGeluShape> = matmulGeluForms.get(DEFAULT_TILING.name)!;
