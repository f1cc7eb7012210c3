/**
 * Runs a kernel on the GPU and compares it with its reference in f64, value by value.
 *
 * What one check covers: the result against a bound for each value (never a norm or an average); two runs that must
 * give the same bits, at different places of their buffers; and the words around each span, which are poison (NaN in
 * the first run, 3e38 in the second) and must be neither read nor written. Bindings that the caller does not fill start
 * as NaN, so a value that is not written, or a gradient that is added to instead of overwritten, shows.
 *
 * A kernel that training has with bindings in f16 is checked so too, with the same numbers rounded to f16 and kept within
 * its range: the reference sees what the kernel sees, and a result in f16 may differ by one rounding more.
 *
 * All of this for every text of the kernel that fits the shape and that the device can run, its variants among them.
 *
 * It does not check that the reference is right: `finite_differences.ts` and the tests of each kernel do.
 * @module
 */
import { strict as assert } from "node:assert";
import type { Binding, Kernel, Numbers, Shape, Words } from "../../kernels/kernel.ts";
import { textsOf } from "../../kernels/kernel_text.ts";
import type { F16Bindings } from "../../kernels/stored.ts";
import {
  asF16,
  asWords,
  type Device,
  type DeviceBuffer,
  type Span,
  SPAN_ALIGNMENT,
  whole,
} from "../../runtime/device/device.ts";
import { openDawnDevice } from "../../runtime/device/dawn.ts";
import { describeWebGpu, openWebGpuDevice } from "../../runtime/device/webgpu.ts";
import { chance } from "../chance.ts";
import { dawnHere } from "./dawn.ts";
import { f16Variants, withText } from "./variants.ts";

/** Rounding unit of f32: one operation is off by at most this part of its result. */
export const U = 2 ** -24;

const LARGEST_HALF = 65_504;

/** The largest allowed |found − wanted| of value `i`; `isF16` if it lies in memory so, for which rounding it is added. */
export type Tolerance = (wanted: number, i: number, isF16: boolean) => number;

export interface KernelCheck<S extends Shape> {
  readonly shape: S;
  /** What bindings hold before the run; rounded to f32. */
  readonly inputs: Readonly<Record<string, ArrayLike<number>>>;
  /** One for each written f32 binding; u32 must be equal. */
  readonly tolerances?: Readonly<Record<string, Tolerance>>;
  /** Whether it is checked with bindings in f16 too, as training has it. Default true. */
  readonly inF16?: boolean;
  /** Whether texts are checked too that the device would leave for a better one. Default true. */
  readonly allTexts?: boolean;
}

/** What runs the kernels of this test file: the WebGPU that is built in, or Dawn if STARLING_TEST_GPU says so. */
const dawn = Deno.env.get("STARLING_TEST_GPU") === "dawn" ? await dawnHere() : undefined;
const problem = dawn !== undefined
  ? (dawn.ok ? null : dawn.problem)
  : await describeWebGpu() === undefined
  ? "no WebGPU adapter (install mesa-vulkan-drivers)"
  : null;
if (problem !== null) console.warn(`GPU tests are skipped: ${problem}`);

export interface GpuTestOptions {
  /** What it is there that the test cannot be made on SwiftShader; then it is skipped there. */
  readonly notOnSwiftShader?: string;
}

/** For `notOnSwiftShader`. */
export const SLOW_BARRIERS = "it takes a millisecond for a workgroup with barriers, and here are 65,537 of them";

/** A test that needs a GPU, or a software driver for one; without, it is ignored and counted as such. */
export function gpuTest(name: string, fn: () => Promise<void>, { notOnSwiftShader }: GpuTestOptions = {}): void {
  const isSwiftShader = dawn?.ok === true && dawn.isSwiftShader;
  const reason = problem ??
    (isSwiftShader && notOnSwiftShader !== undefined ? `SwiftShader: ${notOnSwiftShader}` : null);
  Deno.test({ name: reason === null ? name : `${name} (${reason})`, ignore: reason !== null, fn });
}

/** The device of this test file, opened once: it takes longer than most tests. */
export function testDevice(): Promise<Device> {
  return sharedDevice ??= (dawn === undefined ? openWebGpuDevice() : openDawnDevice()).then((device) => {
    if (!device.storesF16) console.warn(`Nothing is tested in f16: ${device.description} cannot store it`);
    for (const feature of ["subgroups", "broadcasts"] as const) {
      if (!device.features.has(feature)) console.warn(`No ${feature} are tested: ${device.description} has none`);
    }
    return device;
  });
}
let sharedDevice: Promise<Device> | undefined;
Deno.test.afterAll(async () => await (await sharedDevice)?.[Symbol.asyncDispose]());

/** Contents of a binding, before or after a run. */
type Values = Float16Array<ArrayBuffer> | Float32Array<ArrayBuffer> | Uint32Array<ArrayBuffer>;

/** Fails with text, shape, binding, place, found and wanted. Gives back what the device's own choice wrote in f32. */
export async function checkKernel<S extends Shape>(
  kernel: Kernel<S>,
  check: KernelCheck<S>,
): Promise<Readonly<Record<string, Float32Array<ArrayBuffer>>>> {
  const { storesF16, features } = await testDevice();
  const all = check.inF16 !== false && storesF16 ? [[], ...f16Variants(kernel)] : [[]], found = [];
  const texts = textsOf(kernel, check.shape).filter(({ needs }) => needs === undefined || features.has(needs));
  for (const { name } of check.allTexts === false ? texts.slice(0, 1) : texts) {
    for (const f16 of all) found.push(await checkVariant(withText(kernel, name), check, { name, f16 }));
  }
  return found[0]!;
}

async function checkVariant<S extends Shape>(
  kernel: Kernel<S>,
  { shape, inputs, tolerances = {} }: KernelCheck<S>,
  { name, f16 }: { readonly name: string; readonly f16: F16Bindings },
): Promise<Readonly<Record<string, Float32Array<ArrayBuffer>>>> {
  const title = [name, JSON.stringify(shape), ...(f16.length > 0 ? [`${f16.join(", ")} in f16`] : [])]
    .join(" ");
  for (const name of Object.keys(inputs)) assert.ok(name in kernel.bindings, `${title} has no binding '${name}'`);
  const before = Object.entries(kernel.bindings).map(([name, binding]) =>
    initial(name, { ...binding, isF16: f16.includes(name) }, shape, inputs[name])
  );
  const wanted = runReference(kernel, shape, before);

  const device = await testDevice();
  const [first, second] = await runTwice(device, kernel, { shape, before });
  for (const [k, [name, { access, type }]] of Object.entries(kernel.bindings).entries()) {
    if (access === "read") continue;
    assert.deepEqual(asWords(first[k]!), asWords(second[k]!), `${title}: two runs differ in '${name}'`);
    if (type === "u32") {
      assert.deepEqual(asWords(first[k]!), wanted[k], `${title}: '${name}' differs from the reference`);
    } else {
      const tolerance = tolerances[name];
      assert.ok(tolerance !== undefined, `${title}: written binding '${name}' has no tolerance`);
      const isF16 = f16.includes(name), found = isF16 ? asF16(first[k]!) : first[k]!;
      compare(`${title}: '${name}'`, {
        found,
        wanted: wanted[k]!,
        tolerance: isF16 ? orRounded(tolerance) : tolerance,
      });
    }
  }
  return Object.fromEntries(Object.keys(kernel.bindings).map((name, k) => [name, first[k]!]));
}

/**
 * A device may round to either of the two numbers of f16 that are nearest (2⁻¹⁰ of a normal number apart), and may make
 * zeros of numbers too small to be normal (below 2⁻¹⁴): WGSL, "floating point accuracy".
 */
function orRounded(tolerance: Tolerance): Tolerance {
  return (wanted, i) => tolerance(wanted, i, true) + roundingOfF16(wanted);
}

/** What a device may be off by where it rounds a number to f16. */
export function roundingOfF16(value: number): number {
  return Math.max(2 ** -14, 2 ** -10 * Math.abs(value));
}

/** Numbers without pattern, evenly spread over ±scale: the same for the same seed. */
export function noise(count: number, seed: number, scale = 1): Float32Array<ArrayBuffer> {
  const random = chance(seed);
  return Float32Array.from({ length: count }, () => random.between(-scale, scale));
}

function compare(
  title: string,
  { found, wanted, tolerance }: { found: Numbers; wanted: Numbers | Words; tolerance: Tolerance },
): void {
  let worst = 1, worstAt = -1;
  for (let i = 0; i < wanted.length; i++) {
    if (found[i] === wanted[i] || Object.is(found[i], wanted[i])) continue; // NaN in both: neither wrote it
    const ratio = Math.abs(found[i]! - wanted[i]!) / tolerance(wanted[i]!, i, false),
      excess = isNaN(ratio) ? Infinity : ratio;
    if (excess > worst) [worst, worstAt] = [excess, i];
  }
  assert.ok(
    worstAt < 0,
    `${title} at ${worstAt}: found ${found[worstAt]}, wanted ${wanted[worstAt]}, ${worst.toPrecision(3)} × tolerance`,
  );
}

function initial<S extends Shape>(
  name: string,
  { type, length, isF16 }: Binding<S> & { readonly isF16: boolean },
  shape: S,
  values: ArrayLike<number> | undefined,
): Values {
  const count = length(shape);
  if (values === undefined) {
    return type === "u32" ? new Uint32Array(count) : new (isF16 ? Float16Array : Float32Array)(count).fill(NaN);
  }
  assert.equal(values.length, count, `'${name}' is given ${values.length} values and needs ${count}`);
  if (type === "u32") return Uint32Array.from(values);
  if (!isF16) return Float32Array.from(values);
  return Float16Array.from(values, (value) => Math.max(-LARGEST_HALF, Math.min(LARGEST_HALF, value)));
}

function runReference<S extends Shape>(
  kernel: Kernel<S>,
  shape: S,
  before: readonly Values[],
): (Float64Array | Uint32Array<ArrayBuffer>)[] {
  const arrays = before.map((values) => values instanceof Uint32Array ? values.slice() : Float64Array.from(values));
  const byName: Parameters<typeof kernel.reference>[0] = Object.fromEntries(
    Object.keys(kernel.bindings).map((name, k) => [name, arrays[k]! as Numbers & Words]), // u32 where it declares u32
  );
  kernel.reference(byName, shape);
  return arrays;
}

/** Both runs in one wait: it costs more than all the rest of a check. */
async function runTwice<S extends Shape>(
  device: Device,
  kernel: Kernel<S>,
  { shape, before }: { shape: S; before: readonly Values[] },
): Promise<[Float32Array<ArrayBuffer>[], Float32Array<ArrayBuffer>[]]> {
  const names = Object.keys(kernel.bindings);
  const first = new PoisonedRun(device, 1, 0x7fc00000); // NaN
  const second = new PoisonedRun(device, 3, 0x7f61b1e6); // 3e38
  try {
    for (const run of [first, second]) {
      const spans = Object.fromEntries(names.map((name, k) => [name, run.place(name, before[k]!)]));
      device.run(await device.prepare([{ kernel, shape, spans }], kernel.name));
    }
    const found = await device.read([...first.buffers, ...second.buffers].map(whole));
    return [first.unwrap(found.slice(0, names.length)), second.unwrap(found.slice(names.length))];
  } finally {
    [...first.buffers, ...second.buffers].forEach((buffer) => device.free(buffer));
  }
}

/** The buffers of one run: in each a span, `start` words from the beginning and in the midst of poison. */
class PoisonedRun {
  readonly buffers: DeviceBuffer[] = [];
  readonly #device: Device;
  readonly #start: number;
  readonly #poison: number;
  /** What each buffer's span has, in units of 2 bytes. */
  readonly #halfWords: number[] = [];

  constructor(device: Device, alignments: number, poison: number) {
    this.#device = device;
    this.#start = alignments * SPAN_ALIGNMENT;
    this.#poison = poison;
  }

  place(label: string, values: Values): Span {
    const start = this.#start, words = Math.ceil(values.byteLength / 4);
    const buffer = this.#device.allocate(start + words + SPAN_ALIGNMENT, label);
    const contents = new Uint32Array(buffer.words).fill(this.#poison);
    new Uint8Array(contents.buffer).set(new Uint8Array(values.buffer), 4 * start);
    this.#device.write(whole(buffer), contents);
    this.buffers.push(buffer);
    this.#halfWords.push(values.byteLength / 2);
    return { buffer, start, words, ...(values instanceof Float16Array ? { type: "f16" } : {}) };
  }

  /** The spans out of what the buffers hold; fails if the poison changed. */
  unwrap(found: readonly Float32Array<ArrayBuffer>[]): Float32Array<ArrayBuffer>[] {
    return found.map((values, k) => {
      const start = 2 * this.#start, end = start + this.#halfWords[k]!;
      const poison = new Uint16Array(Uint32Array.of(this.#poison).buffer);
      const harmed = new Uint16Array(values.buffer).findIndex((half, i) =>
        (i < start || i >= end) && half !== poison[i % 2]
      );
      assert.equal(harmed, -1, `a word outside of '${this.buffers[k]!.label}' changed, at ${(harmed - start) / 2}`);
      new Uint16Array(values.buffer).fill(0, end); // an odd count of f16 values ends in the middle of a word
      return values.slice(this.#start, values.length - SPAN_ALIGNMENT);
    });
  }
}
