/**
 * Matrix product cut along K: part s of `partial` is the product over the s-th part of K alone.
 *
 * For products with a small result and long sums, which would leave most of a GPU idle. `matmul_sum` adds the parts, in
 * their order, so that the result is the same every time. One kernel for each tiling, as of `matmul`.
 * @module
 */
import { defineKernel, type Kernel, readsStored, writes } from "./kernel.ts";
import type { MatmulShape } from "./matmul.ts";
import { partLength, productVariants, tiledProduct } from "./tiled_product.ts";
import { DEFAULT_TILING, forEachTiling, tileGrid } from "./tiling.ts";
import source from "./matmul_partial.wgsl" with { type: "text" };

export type MatmulPartialShape = Pick<MatmulShape, "M" | "N" | "K" | "TRANSPOSE_A" | "TRANSPOSE_B"> & {
  /** Parts of K: those of `partLength(K, SPLIT)` values that there are, then empty ones, whose sums are 0. */
  readonly SPLIT: number;
};

/** By name of their tiling. */
export const matmulPartialForms: ReadonlyMap<string, Kernel<MatmulPartialShape>> = forEachTiling(
  "matmul_partial",
  (tiling, name) =>
    defineKernel<MatmulPartialShape>()({
      name,
      source: tiledProduct(source, tiling, { isSplit: true }),
      variants: productVariants(source, tiling, {
        isSplit: true,
        sides: ({ N, ...shape }) => ({ ...shape, columns: N }),
        mixes: true,
      }),
      bindings: {
        a: readsStored<MatmulPartialShape>(({ M, K }) => M * K),
        b: readsStored<MatmulPartialShape>(({ K, N }) => K * N),
        partial: writes<MatmulPartialShape>(({ SPLIT, M, N }) => SPLIT * M * N),
      },
      grid: ({ M, N, SPLIT }) => tileGrid(tiling, { rows: M, columns: N, parts: SPLIT }),
      flops: ({ M, N, K }) => 2 * M * N * K,
      reference({ a, b, partial }, { M, N, K, TRANSPOSE_A, TRANSPOSE_B, SPLIT }) {
        const length = partLength(K, SPLIT);
        for (let part = 0; part < SPLIT; part++) {
          for (let m = 0; m < M; m++) {
            for (let n = 0; n < N; n++) {
              let sum = 0;
              for (let k = part * length; k < Math.min(K, (part + 1) * length); k++) {
                const left = TRANSPOSE_A === 1 ? a[k * M + m]! : a[m * K + k]!;
                const right = TRANSPOSE_B === 1 ? b[n * K + k]! : b[k * N + n]!;
                sum += left * right;
              }
              partial[(part * M + m) * N + n] = sum;
            }
          }
        }
      },
    }),
);

export const matmulPartial: Kernel<MatmulPartialShape> = matmulPartialForms.get(DEFAULT_TILING.name)!;
