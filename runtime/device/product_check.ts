/**
 * Whether the forms of matrix products that need a feature of a GPU compute rightly with it.
 *
 * Drivers get matrix units and subgroups wrong, and a subgroup may be too small, so every such form is run before any
 * product uses it, on odd shapes and with sums that need all bits of f32, and compared with the reference. Who has no
 * such feature loses no time: nothing is run there.
 * @module
 */
import type { GpuFeature, Kernel, Numbers, Words } from "../../kernels/kernel.ts";
import { matmulForms, type MatmulShape } from "../../kernels/matmul.ts";
import { matmulMatrixForms } from "../../kernels/matmul_matrix.ts";
import { type Device, type DeviceBuffer, type Span, whole, wordsOf } from "./device.ts";

const THOROUGH: readonly MatmulShape[] = [
  { M: 131, N: 67, K: 77, TRANSPOSE_A: 0, TRANSPOSE_B: 1, BIAS: 1, RESIDUAL: 0, ACCUMULATE: 0 },
  { M: 70, N: 200, K: 33, TRANSPOSE_A: 0, TRANSPOSE_B: 0, BIAS: 0, RESIDUAL: 1, ACCUMULATE: 0 },
  { M: 37, N: 130, K: 515, TRANSPOSE_A: 1, TRANSPOSE_B: 0, BIAS: 0, RESIDUAL: 0, ACCUMULATE: 1 },
];
/** Enough for what subgroups tell each other, which is wrong everywhere if it is anywhere. */
const BRIEF: readonly MatmulShape[] = [
  { M: 19, N: 130, K: 9, TRANSPOSE_A: 0, TRANSPOSE_B: 0, BIAS: 0, RESIDUAL: 0, ACCUMULATE: 0 },
];

/** Null if every form that needs this feature is right on the device, else what is not. The device must have it. */
export async function whyProductsAreWrong(device: Device, feature: GpuFeature): Promise<string | null> {
  const forms = [...matmulForms.values(), ...matmulMatrixForms.values()]
    .filter(({ variants }) => variants?.some(({ needs }) => needs === feature));
  const isF16 = feature === "subgroup-matrix-f16";
  for (const kernel of forms) {
    for (const shape of feature === "broadcasts" ? BRIEF : THOROUGH) {
      const problem = await problemWith(device, kernel, { shape, isF16 });
      if (problem !== null) return problem;
    }
  }
  return null;
}

async function problemWith(
  device: Device,
  kernel: Kernel<MatmulShape>,
  { shape, isF16 }: { readonly shape: MatmulShape; readonly isF16: boolean },
): Promise<string | null> {
  const { M, N, K, BIAS } = shape;
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
    return wrong < 0 ? null : `${kernel.name} makes ${found![wrong]} of ${arrays["y"]![wrong]} (${M} × ${N} × ${K})`;
  } catch (error) {
    return `${kernel.name} does not work: ${error instanceof Error ? error.message : error}`;
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
