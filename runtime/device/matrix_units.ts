/**
 * Which matrix units of a GPU products may use: those that it offers and that our forms are made for.
 *
 * They are an experiment of Dawn's. Whether they compute rightly is asked in `product_check.ts`.
 * @module
 */
import type { GpuFeature } from "../../kernels/kernel.ts";
import { MATRIX_TILINGS } from "../../kernels/matmul_matrix.ts";
import type { MatrixTiling } from "../../kernels/matrix_product.ts";

/** Dawn's name of them, which is in no standard yet. */
export const MATRIX_UNITS = "chromium-experimental-subgroup-matrix" as GPUFeatureName;

/** One kind of units, as an adapter tells of it. */
export interface MatrixConfig {
  readonly componentType: string;
  readonly resultComponentType: string;
  readonly M: number;
  readonly N: number;
  readonly K: number;
}

/** What an adapter offers; nothing where it is not Dawn's. */
export function offeredMatrixUnits(info: GPUAdapterInfo): readonly MatrixConfig[] {
  return "subgroupMatrixConfigs" in info ? info.subgroupMatrixConfigs as readonly MatrixConfig[] : [];
}

/** The features that these units are, before they are tested. */
export function matrixFeatures(offered: readonly MatrixConfig[]): ReadonlySet<GpuFeature> {
  const isOffered = ({ component, side }: MatrixTiling) =>
    offered.some(({ componentType, resultComponentType, M, N, K }) =>
      componentType === component && resultComponentType === "f32" && [M, N, K].every((size) => size === side)
    );
  return new Set(MATRIX_TILINGS.filter(isOffered).map(({ needs }) => needs));
}
