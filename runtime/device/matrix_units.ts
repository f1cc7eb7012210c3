/**
 * Which matrix units of a GPU products may use: those that it offers, that our forms are made for, and that compute
 * rightly here.
 *
 * They are an experiment of Dawn's, and drivers get them wrong, so every form is run once, before any product uses it, on
 * odd shapes and with sums that need all bits of f32, and compared with the reference. Who has no such units loses no
 * time: nothing is run there.
 * @module
 */
import type { GpuFeature, Numbers, Words } from "../../kernels/kernel.ts";
import type { MatmulShape } from "../../kernels/matmul.ts";
import { matmulMatrixForms, MATRIX_TILINGS } from "../../kernels/matmul_matrix.ts";
import type { MatrixTiling } from "../../kernels/matrix_product.ts";
import { type Device, type DeviceBuffer, type Span, whole, wordsOf } from "./device.ts";

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

const SHAPES: readonly MatmulShape[] = [
  { M: 131, N: 67, K: 77, TRANSPOSE_A: 0, TRANSPOSE_B: 1, BIAS: 1, RESIDUAL: 0, ACCUMULATE: 0 },
  { M: 70, N: 200, K: 33, TRANSPOSE_A: 0, TRANSPOSE_B: 0, BIAS: 0, RESIDUAL: 1, ACCUMULATE: 0 },
  { M: 37, N: 130, K: 515, TRANSPOSE_A: 1, TRANSPOSE_B: 0, BIAS: 0, RESIDUAL: 0, ACCUMULATE: 1 },
];

/** Null if every form that needs this feature is right on the device, else what is not. The device must have it. */
export async function whyMatrixUnitsAreWrong(device: Device, feature: GpuFeature): Promise<string | null> {
  for (const tiling of MATRIX_TILINGS.filter(({ needs }) => needs === feature)) {
    for (const shape of SHAPES) {
      const problem = await problemWith(device, tiling, shape);
      if (problem !== null) return problem;
    }
  }
  return null;
}

async function problemWith(device: Device, { name, component }: MatrixTiling, shape: MatmulShape) {
  const kernel = matmulMatrixForms.get(name)!, { M, N, K, BIAS } = shape, isF16 = component === "f16";
  const arrays = Object.fromEntries(
    Object.entries(kernel.bindings).map(([binding, { length }], i) => {
      const values = Float64Array.from({ length: length(shape) }, (_, at) => Math.sin(at * 12.9898 + i));
      return [binding, values.map(isF16 && "ab".includes(binding) ? Math.f16round : Math.fround)];
    }),
  );
  const buffers: DeviceBuffer[] = [];
  try {
    const spans = Object.fromEntries(
      Object.entries(arrays).map(([binding, values]) => {
        const inF16 = isF16 && "ab".includes(binding), words = wordsOf(values.length, inF16 ? "f16" : "f32");
        const buffer = device.allocate(words, `self-test ${binding}`), span: Span = whole(buffer);
        buffers.push(buffer);
        device.write(span, inF16 ? inWords(Float16Array.from(values)) : Float32Array.from(values));
        return [binding, inF16 ? { ...span, type: "f16" as const } : span];
      }),
    );
    device.run(await device.prepare([{ kernel, shape, spans }], "self-test"));
    const [found] = await device.read([spans["y"]!]);
    kernel.reference(arrays as Record<string, Numbers & Words>, shape); // no binding has words
    // Units may cut what they add instead of rounding it: twice what matmul_test.ts allows, of sums of K terms below 1.
    const tolerance = 2 * (8 + 2 * Math.sqrt(K)) * 2 ** -24 * (K + BIAS + 1);
    const wrong = arrays["y"]!.findIndex((wanted, i) => !(Math.abs(found![i]! - wanted) <= tolerance));
    return wrong < 0
      ? null
      : `its matrix units make ${found![wrong]} of ${arrays["y"]![wrong]} (${name}, ${M} × ${N} × ${K})`;
  } catch (error) {
    return `its matrix units do not work (${name}): ${error instanceof Error ? error.message : error}`;
  } finally {
    buffers.forEach((buffer) => device.free(buffer));
  }
}

/** The bits of f16 values, two a word. */
function inWords(values: Float16Array<ArrayBuffer>): Float32Array<ArrayBuffer> {
  const padded = new Uint16Array(2 * Math.ceil(values.length / 2));
  padded.set(new Uint16Array(values.buffer));
  return new Float32Array(padded.buffer);
}
