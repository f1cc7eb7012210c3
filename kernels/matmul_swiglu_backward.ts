/**
 * The gradient of a linear layer's input, passed on through the SwiGLU that made it, to its packed gate and up.
 *
 * With a the gradient of the layer's output and b its weights (K, F), a·b is the gradient of SiLU(gate) · up. Its pieces
 * are `matmul` and `swiglu_backward`; one kernel for each tiling, as of `matmul`.
 * @module
 */
import { defineKernel, type Kernel, readsStored, writesStored } from "./kernel.ts";
import type { MatmulSwigluShape } from "./matmul_swiglu.ts";
import { productVariants, tiledProduct } from "./tiled_product.ts";
import { DEFAULT_TILING, forEachTiling, tileGrid } from "./tiling.ts";
import source from "./matmul_swiglu_backward.wgsl" with { type: "text" };

/** By name of their tiling. */
export const matmulSwigluBackwardForms: ReadonlyMap<string, Kernel<MatmulSwigluShape>> = forEachTiling(
  "matmul_swiglu_backward",
  (tiling, name) =>
    defineKernel<MatmulSwigluShape>()({
      name,
      source: tiledProduct(source, tiling, { columns: "F" }),
      variants: productVariants(source, tiling, {
        columns: "F",
        sides: ({ M, F, K }) => ({ M, K, columns: F, TRANSPOSE_A: 0, TRANSPOSE_B: 0 }),
      }),
      bindings: {
        a: readsStored<MatmulSwigluShape>(({ M, K }) => M * K),
        b: readsStored<MatmulSwigluShape>(({ K, F }) => K * F),
        pre: readsStored<MatmulSwigluShape>(({ M, F }) => M * 2 * F),
        y: writesStored<MatmulSwigluShape>(({ M, F }) => M * 2 * F),
      },
      grid: ({ M, F }) => tileGrid(tiling, { rows: M, columns: F }),
      flops: ({ M, F, K }) => 2 * M * F * K,
      reference({ a, b, pre, y }, { M, F, K }) {
        for (let m = 0; m < M; m++) {
          for (let f = 0; f < F; f++) {
            let sum = 0;
            for (let k = 0; k < K; k++) sum += a[m * K + k]! * b[k * F + f]!;
            const at = m * 2 * F + f, gate = pre[at]!, sigma = 1 / (1 + Math.exp(-gate));
            y[at] = sum * pre[at + F]! * sigma * (1 + gate * (1 - sigma));
            y[at + F] = sum * gate * sigma;
          }
        }
      },
    }),
);

export const matmulSwigluBackward: Kernel<MatmulSwigluShape> = matmulSwigluBackwardForms.get(DEFAULT_TILING.name)!;
