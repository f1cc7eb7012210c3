/**
 * Whether a device is to be trusted with values in f16: what it stores, and what its kernels make of it, against the
 * references. It takes a moment, so it is asked once, by whoever wants f16.
 *
 * What must hold: every number of f16 is read as it is, numbers are rounded to a neighbour, what is too large becomes an
 * infinity and stays one on its way through the kernels (training skips a step by it), and sums are those of f32.
 * Numbers too small to be normal (below 2⁻¹⁴) may become zeros: WGSL allows that, and loss scaling is made for it.
 * @module
 */
import { attention } from "../../kernels/attention.ts";
import { copy } from "../../kernels/copy.ts";
import type { Kernel, Numbers, Shape, Words } from "../../kernels/kernel.ts";
import { layerNormBackward } from "../../kernels/layer_norm_backward.ts";
import { matmul, matmulForms } from "../../kernels/matmul.ts";
import { rmsNorm } from "../../kernels/rms_norm.ts";
import { asF16, type Device, type DeviceBuffer, type Span, whole, wordsOf } from "./device.ts";

type Values = Float16Array<ArrayBuffer> | Float32Array<ArrayBuffer>;

/** One use of a kernel: an array of f16 makes its binding one of f16. */
interface Use {
  readonly kernel: Kernel;
  readonly shape: Shape;
  readonly arrays: Readonly<Record<string, Values>>;
}

const SMALLEST_NORMAL = 2 ** -14;
/** Rounded to either neighbour: WGSL leaves the direction to the device. */
const ROUNDING = 2 ** -10;

/** Null if all is well, else what is not: "it makes 65504 of 1e30 in f16". */
export async function selfTestF16(device: Device): Promise<string | null> {
  if (!device.storesF16) return "it cannot store f16";
  for (const test of [reading, writing, products, norms, attending, infinities]) {
    for (const isInFours of [false, true]) {
      const problem = await test(device, isInFours);
      if (problem !== null) return problem;
    }
  }
  return null;
}

/** All 65,536 values, or all but the last, a NaN. Rows that are multiples of four have texts of their own: so each test. */
async function reading(device: Device, isInFours: boolean): Promise<string | null> {
  const length = isInFours ? 65_536 : 65_535;
  const x = new Float16Array(Uint16Array.from({ length }, (_, bits) => bits).buffer);
  const { y } = await compute(device, copying(x, new Float32Array(x.length)));
  const wrong = x.findIndex((value, i) =>
    !isSame(y![i]!, value) && !(Math.abs(value) < SMALLEST_NORMAL && y![i] === 0)
  );
  return wrong < 0 ? null : `it reads ${x[wrong]} of f16 as ${y![wrong]}`;
}

async function writing(device: Device, isInFours: boolean): Promise<string | null> {
  const sizes = [
    0,
    1,
    1 / 3,
    1 + 2 ** -11,
    2049,
    65_504,
    65_519,
    65_520,
    1e6,
    1e30,
    3e38,
    2 ** -14,
    2 ** -15,
    2 ** -26,
  ];
  const x = Float32Array.of(
    ...sizes,
    ...sizes.map((size) => -size),
    NaN,
    Infinity,
    -Infinity,
    ...(isInFours ? [0.1] : []),
  );
  const { y } = await compute(device, copying(x, new Float16Array(x.length)));
  const wrong = x.findIndex((value, i) => {
    const wanted = Math.f16round(value);
    return !isSame(y![i]!, wanted) && !(Math.abs(y![i]! - value) <= roundingOf(value) && Number.isFinite(wanted));
  });
  return wrong < 0 ? null : `it makes ${y![wrong]} of ${x[wrong]} in f16`;
}

function products(device: Device, isInFours: boolean): Promise<string | null> {
  const M = 37, [N, K] = isInFours ? [28, 68] as const : [29, 67] as const;
  const shape = { M, N, K, TRANSPOSE_A: 0, TRANSPOSE_B: 1, BIAS: 1, RESIDUAL: 0, ACCUMULATE: 0 };
  const a = f16(wave(M * K, 1)), b = f16(wave(N * K, 2)), bias = wave(N, 3), residual = new Float32Array(1);
  const y = new Float16Array(M * N),
    use = { kernel: productKernel(isInFours), shape, arrays: { a, b, bias, residual, y } };
  const sizes = reference({
    ...use,
    arrays: { a: a.map(Math.abs), b: b.map(Math.abs), bias: bias.map(Math.abs), residual, y },
  });
  return differing(device, use, (_, i) => (4 * 2 ** -11 + 2 * Math.sqrt(shape.K) * 2 ** -24) * sizes["y"]![i]!);
}

/** One of the tilings that keep f16 as it is in workgroup memory, or one that does not. */
function productKernel(isInFours: boolean): Kernel {
  return isInFours ? matmulForms.get("32x64x16_4x8_blocks")! : matmul;
}

function norms(device: Device, isInFours: boolean): Promise<string | null> {
  const N = 5, C = isInFours ? 132 : 131, x = wave(N * C, 4), w = wave(C, 5);
  const y = new Float16Array(N * C), inverse = new Float32Array(N);
  return differing(
    device,
    { kernel: rmsNorm, shape: { N, C, EPSILON: 1e-5 }, arrays: { x, w, y, inverse } },
    (wanted) => roundingOf(wanted) + 1e-5,
  );
}

function attending(device: Device, isInFours: boolean): Promise<string | null> {
  const D = isInFours ? 12 : 10, shape = { B: 1, T: 37, H: 2, G: 1, D }, qkv = f16(wave(37 * 4 * D, 6));
  const arrays = { qkv, y: new Float16Array(37 * 2 * D), lse: new Float32Array(2 * 37) };
  return differing(device, { kernel: attention, shape, arrays }, (wanted) => roundingOf(wanted) + 2e-5);
}

/** One infinite gradient of a row must spoil the gradients that come of it, so that the step is skipped. */
async function infinities(device: Device, isInFours: boolean): Promise<string | null> {
  const N = 2, C = isInFours ? 72 : 70, dy = f16(wave(N * C, 7)), x = wave(N * C, 8), w = wave(C, 9).fill(1);
  dy[3] = Infinity;
  const normed = {
    dy,
    x,
    w,
    mean: new Float32Array(N),
    inverse: new Float32Array(N).fill(1),
    dx: new Float32Array(N * C),
  };
  const { dx } = await compute(device, { kernel: layerNormBackward, shape: { N, C, ACCUMULATE: 0 }, arrays: normed });
  const columns = isInFours ? 4 : 3, kernel = productKernel(isInFours);
  const shape = { M: N, N: columns, K: C, TRANSPOSE_A: 0, TRANSPOSE_B: 1, BIAS: 0, RESIDUAL: 0, ACCUMULATE: 0 };
  const one = new Float32Array(1), b = f16(wave(columns * C, 10));
  const multiplied = { a: dy, b, bias: one, residual: one.slice(), y: new Float16Array(N * columns) };
  const { y } = await compute(device, { kernel, shape, arrays: multiplied });
  const isLost = dx!.subarray(0, C).every(Number.isFinite) || y!.subarray(0, columns).some(Number.isFinite);
  return isLost ? "an overflow of f16 is lost in its kernels" : null;
}

function copying(x: Values, y: Values) {
  return { kernel: copy, shape: { COUNT: x.length, ACCUMULATE: 0 }, arrays: { x, y } };
}

/** Compares what a kernel writes with its reference. */
async function differing(
  device: Device,
  use: Use,
  tolerance: (wanted: number, i: number) => number,
): Promise<string | null> {
  const found = await compute(device, use), wanted = reference(use);
  for (const [name, values] of Object.entries(found)) {
    const wrong = values.findIndex((value, i) =>
      !(Math.abs(value - wanted[name]![i]!) <= tolerance(wanted[name]![i]!, i))
    );
    if (wrong < 0) continue;
    return `its ${use.kernel.name} gives ${values[wrong]} for ${wanted[name]![wrong]} in f16`;
  }
  return null;
}

/** What the written arrays hold after one run. */
async function compute(
  device: Device,
  { kernel, shape, arrays }: Use,
): Promise<Record<string, Values>> {
  const buffers: DeviceBuffer[] = [], spans: Record<string, Span> = {};
  try {
    for (const [name, values] of Object.entries(arrays)) {
      const isF16 = values instanceof Float16Array, words = wordsOf(values.length, isF16 ? "f16" : "f32");
      const buffer = device.allocate(words, `self-test ${name}`), padded = new Uint8Array(4 * words);
      buffers.push(buffer);
      padded.set(new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
      spans[name] = { ...whole(buffer), ...(isF16 ? { type: "f16" } : {}) };
      device.write(spans[name], new Float32Array(padded.buffer));
    }
    device.run(await device.prepare([{ kernel, shape, spans }], "self-test"));
    const written = Object.keys(kernel.bindings).filter((name) => kernel.bindings[name]!.access === "write");
    const found = await device.read(written.map((name) => spans[name]!));
    return Object.fromEntries(written.map((name, i) => {
      const values = spans[name]!.type === "f16" ? asF16(found[i]!) : found[i]!;
      return [name, values.subarray(0, arrays[name]!.length)];
    }));
  } finally {
    buffers.forEach((buffer) => device.free(buffer));
  }
}

/** The same by the reference, in f64. */
function reference({ kernel, shape, arrays }: Use): Record<string, Float64Array> {
  const exact = Object.fromEntries(Object.entries(arrays).map(([name, values]) => [name, Float64Array.from(values)]));
  kernel.reference(exact as Record<string, Numbers & Words>, shape); // no kernel here has words
  return exact;
}

function roundingOf(value: number): number {
  return Math.max(SMALLEST_NORMAL, ROUNDING * Math.abs(value));
}

function isSame(a: number, b: number): boolean {
  return a === b || (Number.isNaN(a) && Number.isNaN(b));
}

/** Numbers without pattern or chance, in −1 … 1. */
function wave(length: number, phase: number): Float32Array<ArrayBuffer> {
  return Float32Array.from({ length }, (_, i) => Math.sin(i * 12.9898 + phase));
}

function f16(values: Float32Array): Float16Array<ArrayBuffer> {
  return Float16Array.from(values);
}
