/**
 * A device: memory, programs made of kernels, and a queue that runs them in order.
 *
 * It knows no tensors, gradients or models. Everything above works in spans of buffers and never asks which device it
 * is on; everything below is one of the providers in this folder, and one suite (`tests/conformance/device.ts`) runs
 * on all of them.
 *
 * Order: `write`, `run` and `read` take effect in the order of the calls. Only `read`, `idle` and `profile` wait.
 * @module
 */
import type { GpuFeature, Kernel, Shape } from "../../kernels/kernel.ts";
import type { F16Bindings } from "../../kernels/stored.ts";

/** Sizes are in words of 4 bytes: a value of f32 or u32, or two of f16. */
export interface DeviceBuffer {
  readonly label: string;
  readonly words: number;
}

/** A part of a buffer, in words. Starts must be multiples of `SPAN_ALIGNMENT`. */
export interface Span {
  readonly buffer: DeviceBuffer;
  readonly start: number;
  readonly words: number;
  /** "f16": two values a word, the last half of an odd count unused. As the kernel says if absent. */
  readonly type?: "f16";
}

/** Spans start at multiples of this many words: 256 bytes, WebGPU's storage offset alignment. */
export const SPAN_ALIGNMENT = 64;

/** One use of a kernel. `spans` has one entry for each of its bindings, by name. */
export interface Dispatch {
  readonly kernel: Kernel;
  readonly shape: Shape;
  readonly spans: Readonly<Record<string, Span>>;
}

/** Dispatches that were checked, compiled and bound once and can be run many times. */
export interface Program {
  readonly label: string;
  readonly dispatchCount: number;
}

/** How much of a device's memory is in use. */
export interface MemoryUse {
  /** Bytes in buffers now. */
  readonly bytes: number;
  /** Most bytes that were in buffers at one time. */
  readonly peakBytes: number;
}

/** The providers in this folder. */
export type DeviceKind = "webgpu" | "dawn" | "cpu" | "plain";

/** A device, open; disposing frees everything on it. */
export interface Device extends AsyncDisposable {
  readonly kind: DeviceKind;
  /** For people: "NVIDIA RTX 3060 through Vulkan", "cpu (wasm simd, 2 threads)". */
  readonly description: string;
  /** Whether kernels can have values in memory as f16 here. Whether they are right is what `selfTestF16` asks. */
  readonly storesF16: boolean;
  /** What variants of kernels may use here: granted, and found right by a test of its own. */
  readonly features: ReadonlySet<GpuFeature>;
  /** What was granted, was found wrong, and is not used, for people: "subgroups: a workgroup of 16 …". None if absent. */
  readonly faults?: readonly string[];
  /**
   * A buffer of zeros.
   * @throws {DeviceMemoryError} if the device cannot give that much.
   */
  allocate(words: number, label: string): DeviceBuffer;
  /** Gives memory back; the buffer must not be used again. */
  free(buffer: DeviceBuffer): void;
  /** The values are taken at once: they may change after. @throws {RangeError} if they do not fit into the span. */
  write(span: Span, values: Float32Array | Uint32Array): void;
  /** Reads many spans in one wait, as f32; `asWords` reinterprets. */
  read(spans: readonly Span[], into?: ReadInto): Promise<Float32Array<ArrayBuffer>[]>;
  /**
   * Checks every span against its kernel's contract and compiles what is new.
   * @throws {KernelError} that names kernel, binding, found and wanted, or carries the compiler's message.
   */
  prepare(dispatches: readonly Dispatch[], label: string): Promise<Program>;
  run(program: Program): void;
  /**
   * Runs a program once and gives the milliseconds of each of its dispatches, in their order; never less than 0. It is
   * slower than `run`, and nothing else may be asked of the device until it is done.
   */
  profile(program: Program): Promise<readonly number[]>;
  /**
   * What `profile` goes by: the device's own timestamps, or the clock around each dispatch, which is off by a
   * millisecond on a GPU. Known for certain after the first profile.
   */
  readonly timing: "timestamps" | "clock";
  /** Resolves when everything asked for so far is done. */
  idle(): Promise<void>;
  memory(): MemoryUse;
}

/** For each span that is read an array to fill, and give, instead of a new one, if it has the span's length. */
export type ReadInto = readonly (Float32Array<ArrayBuffer> | undefined)[];

/** The array for the i-th span that is read. */
export function arrayFor({ words }: Pick<Span, "words">, i: number, into: ReadInto = []): Float32Array<ArrayBuffer> {
  const given = into[i];
  return given?.length === words ? given : new Float32Array(words);
}

/** The device cannot give the memory asked for. */
export class DeviceMemoryError extends Error {
  override readonly name = "DeviceMemoryError";
}

/** A kernel does not compile, or is used against its contract. */
export class KernelError extends Error {
  override readonly name = "KernelError";
}

/** The device is gone (driver reset, unplugged); its buffers are lost. */
export class DeviceLostError extends Error {
  override readonly name = "DeviceLostError";
}

/** What every provider checks before it writes. @throws {RangeError} */
export function checkWrite({ buffer, words }: Span, values: Float32Array | Uint32Array): void {
  if (values.length <= words) return;
  throw new RangeError(`Cannot write ${values.length} words to '${buffer.label}': the span has ${words}`);
}

/** Whether a device is a driver that runs shaders on the processor, by its description. */
export function isSoftware(description: string): boolean {
  return /software/i.test(description);
}

/** Whether a device runs WGSL, in whichever way: it has forms to choose from, and what was measured of them holds. */
export function isGpu({ kind }: Pick<Device, "kind">): boolean {
  return kind === "webgpu" || kind === "dawn";
}

/** The whole of a buffer as a span. */
export function whole(buffer: DeviceBuffer): Span {
  return { buffer, start: 0, words: buffer.words };
}

/** The bindings of a dispatch whose values are f16. */
export function f16Bindings({ kernel, spans }: Dispatch): F16Bindings {
  return Object.keys(kernel.bindings).filter((name) => spans[name]?.type === "f16");
}

/** Words of so many values in memory. */
export function wordsOf(count: number, type: "f16" | "f32" | "u32"): number {
  return type === "f16" ? Math.ceil(count / 2) : count;
}

/** The f32 bits of a read span, seen as f16. */
export function asF16(values: Float32Array<ArrayBuffer>): Float16Array<ArrayBuffer> {
  return new Float16Array(values.buffer, values.byteOffset, 2 * values.length);
}

/** What `asWords` gave, to be read into again. */
export function asValues(words: Uint32Array<ArrayBuffer>): Float32Array<ArrayBuffer> {
  return new Float32Array(words.buffer, words.byteOffset, words.length);
}

/** The f32 bits of a read span, seen as u32. */
export function asWords(values: Float32Array<ArrayBuffer>): Uint32Array<ArrayBuffer> {
  return new Uint32Array(values.buffer, values.byteOffset, values.length);
}

/**
 * What every provider checks before it compiles: all bindings given, lengths and types right, starts aligned, no written
 * span overlapping another span of the same dispatch, and no buffer both read and written by it, even in different places:
 * WebGPU forbids that.
 * @throws {KernelError}
 */
export function checkDispatch(
  { kernel, shape, spans }: Dispatch,
  { storesF16 }: Pick<Device, "storesF16">,
): void {
  const names = Object.keys(kernel.bindings);
  for (const name of names) {
    const binding = kernel.bindings[name]!, span = spans[name];
    if (span === undefined) throw new KernelError(`Cannot prepare ${kernel.name}: no span for binding '${name}'`);
    if (span.type === "f16" && !(storesF16 && binding.stored)) {
      throw new KernelError(
        `Cannot prepare ${kernel.name}: '${name}' is given as f16, which ${
          binding.stored ? "this device" : "the kernel"
        } cannot have`,
      );
    }
    const wanted = wordsOf(binding.length(shape), span.type ?? binding.type);
    if (span.words !== wanted) {
      throw new KernelError(
        `Cannot prepare ${kernel.name}: '${name}' has ${span.words} words, its shape needs ${wanted} (${
          JSON.stringify(shape)
        })`,
      );
    }
    if (span.start % SPAN_ALIGNMENT !== 0 || span.start < 0 || span.start + span.words > span.buffer.words) {
      throw new KernelError(
        `Cannot prepare ${kernel.name}: '${name}' starts at word ${span.start} of ${span.buffer.words}; ` +
          `it must start at a multiple of ${SPAN_ALIGNMENT} and end inside its buffer`,
      );
    }
  }
  for (const [i, name] of names.entries()) {
    if (kernel.bindings[name]!.access !== "write") continue;
    for (const [j, other] of names.entries()) {
      if (i === j || spans[name]!.buffer !== spans[other]!.buffer) continue;
      if (overlap(spans[name]!, spans[other]!)) {
        throw new KernelError(`Cannot prepare ${kernel.name}: written '${name}' overlaps '${other}'`);
      }
      if (kernel.bindings[other]!.access === "write") continue;
      throw new KernelError(
        `Cannot prepare ${kernel.name}: it writes '${name}' and reads '${other}', both in buffer ` +
          `'${spans[name]!.buffer.label}'; one dispatch may read a buffer or write it`,
      );
    }
  }
}

function overlap(a: Span, b: Span): boolean {
  return a.start < b.start + b.words && b.start < a.start + a.words;
}
