/**
 * `matmul`, and the products that take over an activation but SwiGLU's two sums, on matrix units, where a GPU has them
 * and was found to compute rightly with them: forms to choose from, like the tilings.
 *
 * Contract, reference and WebAssembly form are the kernel's own. A device without the units computes the same by the
 * default tiling, so that a form is never wrong, only slow. Units that multiply f16 get operands that lie in memory as
 * f16, and no others: nothing is rounded that was not before. They all add in f32.
 * @module
 */
import type { GpuFeature, Kernel, Shape } from "./kernel.ts";
import { matmul, type MatmulShape } from "./matmul.ts";
import { matmulGelu } from "./matmul_gelu.ts";
import { matmulGeluBackward } from "./matmul_gelu_backward.ts";
import { matmulSwigluBackward } from "./matmul_swiglu_backward.ts";
import { matrixProduct, type MatrixProductOptions, type MatrixTiling } from "./matrix_product.ts";
import { tileGrid } from "./tiling.ts";
import operation from "./matmul.wgsl" with { type: "text" };
import geluOperation from "./matmul_gelu.wgsl" with { type: "text" };
import geluBackwardOperation from "./matmul_gelu_backward.wgsl" with { type: "text" };
import swigluBackwardOperation from "./matmul_swiglu_backward.wgsl" with { type: "text" };

const F32 = { needs: "subgroup-matrix", component: "f32", side: 8, staging: "vec4" } as const;
const F16 = { needs: "subgroup-matrix-f16", component: "f16", side: 16, staging: "vec4" } as const;

export const MATRIX_TILINGS: readonly MatrixTiling[] = [
  { ...F32, name: "64x64x16_matrix", BM: 64, BN: 64, BK: 16, TM: 8, TN: 4, subgroups: [2, 2] },
  { ...F16, name: "64x64x32_matrix_f16", BM: 64, BN: 64, BK: 32, TM: 8, TN: 4, subgroups: [2, 2] },
  { ...F16, name: "128x64x16_matrix_f16", BM: 128, BN: 64, BK: 16, TM: 8, TN: 8, subgroups: [2, 2] },
];

const ofN = { sides: ({ M, N }: Pick<MatmulShape, "M" | "N">) => ({ rows: M, columns: N }) };

/** By name of their tiling. */
export const matmulMatrixForms = onUnits(matmul, operation, ofN);
export const matmulGeluMatrixForms = onUnits(matmulGelu, geluOperation, ofN);
export const matmulGeluBackwardMatrixForms = onUnits(matmulGeluBackward, geluBackwardOperation, ofN);
export const matmulSwigluBackwardMatrixForms = onUnits(matmulSwigluBackward, swigluBackwardOperation, {
  columns: "F",
  sides: ({ M, F }) => ({ rows: M, columns: F }),
});

/** A kernel with a text for units before its own: one for each tiling. */
function onUnits<S extends Shape>(
  kernel: Kernel<S>,
  operation: string,
  { sides, ...options }: MatrixProductOptions & {
    sides(shape: S): { readonly rows: number; readonly columns: number };
  },
): ReadonlyMap<string, Kernel<S>> {
  return new Map(MATRIX_TILINGS.map((tiling) => {
    const source = matrixProduct(operation, tiling, options), { name, needs } = tiling;
    const onUnits = { name: "matrix", source, needs, grid: (shape: S) => tileGrid(tiling, sides(shape)) };
    return [name, { ...kernel, name: `${kernel.name}_${name}`, variants: [onUnits, ...kernel.variants ?? []] }];
  }));
}

/** The forms that a device with these features has for a product. @param areF16 Whether both operands are in f16. */
export function matrixFormsFor(features: ReadonlySet<GpuFeature>, areF16: boolean): readonly MatrixTiling[] {
  return MATRIX_TILINGS.filter(({ needs, component }) => features.has(needs) && (component === "f32" || areF16));
}
