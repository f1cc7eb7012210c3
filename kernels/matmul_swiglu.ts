/**
 * The packed gate and up of a SwiGLU with what follows them: pre = a·bᵀ, y = SiLU(gate) · up. The backward pass needs
 * both, and may make y again from pre: so y is made of what is stored, rounded where that is f16.
 *
 * `b` is stored (2F, K): F rows of the gate, then F of up; a row of `pre` is F gates, then F ups. Its pieces are `matmul`
 * and `swiglu`; one kernel for each tiling, as of `matmul`.
 * @module
 */
import { defineKernel, type Kernel, readsStored, writesStored } from "./kernel.ts";
import { productVariants, tiledProduct } from "./tiled_product.ts";
import { DEFAULT_TILING, forEachTiling, tileGrid } from "./tiling.ts";
import source from "./matmul_swiglu.wgsl" with { type: "text" };

export type MatmulSwigluShape = {
  /** Rows of y. */
  readonly M: number;
  /** Columns of y. */
  readonly F: number;
  /** Length of the sums. */
  readonly K: number;
};

/** By name of their tiling. */
export const matmulSwigluForms: ReadonlyMap<string, Kernel<MatmulSwigluShape>> = forEachTiling(
  "matmul_swiglu",
  (tiling, name) =>
    defineKernel<MatmulSwigluShape>()({
      name,
      source: tiledProduct(source, tiling, { columns: "F", isPaired: true }),
      variants: productVariants(source, tiling, {
        columns: "F",
        isPaired: true,
        sides: ({ M, F, K }) => ({ M, K, columns: F, TRANSPOSE_A: 0, TRANSPOSE_B: 1 }),
      }),
      bindings: {
        a: readsStored<MatmulSwigluShape>(({ M, K }) => M * K),
        b: readsStored<MatmulSwigluShape>(({ F, K }) => 2 * F * K),
        pre: writesStored<MatmulSwigluShape>(({ M, F }) => M * 2 * F),
        y: writesStored<MatmulSwigluShape>(({ M, F }) => M * F),
      },
      grid: ({ M, F }) => tileGrid(tiling, { rows: M, columns: F, width: tiling.BN / 2 }),
      flops: ({ M, F, K }) => 4 * M * F * K,
      reference({ a, b, pre, y }, { M, F, K }) {
        for (let m = 0; m < M; m++) {
          for (let f = 0; f < F; f++) {
            let gate = 0, up = 0;
            for (let k = 0; k < K; k++) {
              gate += a[m * K + k]! * b[f * K + k]!;
              up += a[m * K + k]! * b[(F + f) * K + k]!;
            }
            const at = m * 2 * F + f;
            pre[at] = gate;
            pre[at + F] = up;
            y[m * F + f] = pre[at]! / (1 + Math.exp(-pre[at]!)) * pre[at + F]!;
          }
        }
      },
    }),
);

export const matmulSwiglu: Kernel<MatmulSwigluShape> = matmulSwigluForms.get(DEFAULT_TILING.name)!;
