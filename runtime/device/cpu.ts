/**
 * The cpu device: WebAssembly SIMD on a pool of threads over one shared memory; large matrix products by the machine's
 * own library, if it has one (`blas.ts`); kernels without a WebAssembly form run by their reference.
 *
 * It knows nothing of what the kernels compute. `run` does its work before it returns, so everything takes effect in
 * the order of the calls by itself; open it in a worker if the calling thread has other duties.
 *
 * The one thing to know: the number of threads never changes a result. Threads take ranges of independent items
 * (`WasmForm.items`), and dispatches too small to share run on the calling thread.
 * @module
 */
import type { JointForm, Kernel, Numbers, Words } from "../../kernels/kernel.ts";
import { type Blas, type BlasChoice, blasChoice, findBlas } from "./blas.ts";
import { jointOf } from "./cpu_joint.ts";
import { CpuMemory } from "./cpu_memory.ts";
import { type CpuPool, openCpuPool, type Start } from "./cpu_pool.ts";
import { productStep } from "./cpu_product.ts";
import { PRODUCT_ENTRY, type Step } from "./cpu_threads.ts";
import {
  arrayFor,
  checkDispatch,
  checkWrite,
  type Device,
  type DeviceBuffer,
  DeviceLostError,
  type Dispatch,
  type MemoryUse,
  type Program,
  type ReadInto,
  type Span,
} from "./device.ts";
import { compileWasm } from "./wasm_module.ts";

export interface CpuDeviceOptions {
  /** Threads that work, the calling one included; the default is one a core. */
  readonly threads?: number;
  /** Most bytes of memory; the default and upper bound is 4 GiB. */
  readonly limitBytes?: number;
  /** Operations that a dispatch must hold before threads share it; the default is `SHARED_WORK`. */
  readonly sharedWork?: number;
  /** Whose matrix products; the default is `STARLING_BLAS` of the environment, else whatever library is found. */
  readonly blas?: BlasChoice;
  /** Operations that a matrix product must hold before a library does it; the default is `LIBRARY_WORK`. */
  readonly libraryWork?: number;
}

/**
 * Operations that a dispatch must hold before threads share it. A barrier costs 2 to 10 µs where every thread has a core and
 * more where cores are short; one thread does 2¹⁹ operations in about 20 µs.
 */
const SHARED_WORK = 2 ** 19;
/** Operations that reading or writing one word is worth, for kernels that are bound by memory. */
const WORK_A_WORD = 8;
/** Operations that a matrix product must hold before a library does it: with 2¹³ a call takes as long. */
const LIBRARY_WORK = 2 ** 15;

const MOST_THREADS = 64;

/** Opens threads and an empty memory; kernels are compiled when a program first needs them. */
export async function openCpuDevice(options: CpuDeviceOptions = {}): Promise<Device> {
  const threads = options.threads ?? Math.min(MOST_THREADS, navigator.hardwareConcurrency);
  if (!Number.isInteger(threads) || threads < 1 || threads > MOST_THREADS) {
    throw new RangeError(
      `Cannot open the cpu device with ${threads} threads; give a whole number from 1 to ${MOST_THREADS}`,
    );
  }
  const memory = new CpuMemory(options), { blas } = findBlas(options.blas ?? blasChoice());
  try {
    return new CpuDevice(memory, await openCpuPool(memory, { threadCount: threads, blas }), { ...options, blas });
  } catch (error) {
    blas?.[Symbol.dispose]();
    throw error;
  }
}

/** The options, with the library in place of the choice. */
type OwnOptions = Omit<CpuDeviceOptions, "blas"> & { readonly blas: Blas | null };

class CpuBuffer implements DeviceBuffer {
  freed = false;
  constructor(
    readonly words: number,
    readonly label: string,
    readonly owner: CpuDevice,
    readonly address: number,
  ) {}
}

/** A kernel's functions as the pool lists them. */
interface Linked {
  readonly entry: number;
  /** Of `ProductForm.begin`. */
  readonly begin: number;
  /** Of `JointForm.entry`. */
  readonly joint: number;
}

interface CpuProgram extends Program {
  readonly buffers: ReadonlySet<CpuBuffer>;
  /** Of each dispatch that is done together with the next one, by number: which part of the work of both is its own. */
  readonly joint: ReadonlyMap<number, number>;
  readonly start: Start;
}

class CpuDevice implements Device {
  readonly kind = "cpu";
  readonly description: string;
  readonly storesF16 = false;
  readonly features = new Set<never>();
  readonly timing = "clock";
  readonly #memory: CpuMemory;
  readonly #pool: CpuPool;
  readonly #options: OwnOptions;
  /** Kernels whose WebAssembly form is linked. */
  readonly #linked = new Map<Kernel, Linked>();
  /** Links one program's kernels after the other's. */
  #linking: Promise<void> = Promise.resolve();
  #bytes = 0;
  #peakBytes = 0;
  #closed = false;

  constructor(memory: CpuMemory, pool: CpuPool, options: OwnOptions) {
    const threads = `${pool.threadCount} ${pool.threadCount === 1 ? "thread" : "threads"}`;
    const products = options.blas === null ? "" : `; products by ${options.blas.name}`;
    this.description = `cpu (WebAssembly SIMD, ${threads}${products})`;
    this.#memory = memory;
    this.#pool = pool;
    this.#options = options;
  }

  allocate(words: number, label: string): DeviceBuffer {
    this.#expectOpen(`allocate '${label}'`);
    if (!Number.isSafeInteger(words) || words < 1) {
      throw new RangeError(`Cannot allocate '${label}': ${words} is not a positive count of words`);
    }
    const buffer = new CpuBuffer(words, label, this, this.#memory.give(words, label));
    this.#bytes += words * 4;
    this.#peakBytes = Math.max(this.#peakBytes, this.#bytes);
    return buffer;
  }

  free(buffer: DeviceBuffer): void {
    const own = this.#own(buffer);
    if (own.freed) return;
    own.freed = true;
    this.#memory.take(own.address);
    this.#bytes -= own.words * 4;
  }

  write(span: Span, values: Float32Array | Uint32Array): void {
    this.#expectOpen(`write '${span.buffer.label}'`);
    const address = this.#addressOf(span);
    checkWrite(span, values);
    if (values instanceof Uint32Array) this.#memory.words(address, span.words).set(values);
    else this.#memory.view(address, span.words).set(values);
  }

  // deno-lint-ignore require-await -- an error must reject, not throw
  async read(spans: readonly Span[], into?: ReadInto): Promise<Float32Array<ArrayBuffer>[]> {
    this.#expectOpen("read");
    return spans.map((span, i) => {
      const values = arrayFor(span, i, into);
      values.set(this.#memory.view(this.#addressOf(span), span.words));
      return values;
    });
  }

  async prepare(dispatches: readonly Dispatch[], label: string): Promise<Program> {
    this.#expectOpen(`prepare '${label}'`);
    for (const dispatch of dispatches) checkDispatch(dispatch, this);
    const kernels = new Set(dispatches.map(({ kernel }) => kernel).filter(({ wasm }) => wasm !== undefined));
    this.#linking = this.#linking.catch(() => {}).then(() => this.#link(kernels));
    await this.#linking;
    this.#expectOpen(`prepare '${label}'`);
    const joints = dispatches.map((dispatch, i) => jointOf(dispatch, dispatches[i + 1], this.#pool.threadCount));
    for (const [i, { kernel, shape }] of dispatches.entries()) {
      this.#pool.reserveScratch((joints[i] ?? kernel.wasm)?.scratchWords?.(shape) ?? 0);
    }
    const references = new Map(
      dispatches.flatMap((dispatch, i) => dispatch.kernel.wasm === undefined ? [[i, this.#reference(dispatch)]] : []),
    );
    return {
      label,
      dispatchCount: dispatches.length,
      buffers: new Set(dispatches.flatMap(({ spans }) => Object.values(spans).map(({ buffer }) => this.#own(buffer)))),
      joint: new Map(joints.flatMap((joint, i) => {
        return joint === undefined ? [] : [[i, workOf(dispatches[i]!) / workOfBoth(dispatches, i)]];
      })),
      start: this.#pool.load(
        dispatches.map((dispatch, i) => {
          if (joints[i] !== undefined) return this.#jointStep(joints[i], dispatches, i);
          const step = this.#step(dispatch);
          return joints[i - 1] === undefined ? step : { ...step, items: 0, shared: false };
        }),
        references,
      ),
    } satisfies CpuProgram as Program;
  }

  run(program: Program): void {
    this.#runnable(program, "run").start();
  }

  // deno-lint-ignore require-await -- an error must reject, not throw
  async profile(program: Program): Promise<readonly number[]> {
    const { start, dispatchCount, joint } = this.#runnable(program, "profile");
    const endedMs = new Float64Array(dispatchCount), startedMs = performance.now();
    start(endedMs);
    const tookMs = Array.from(endedMs, (ms, i) => ms - (i === 0 ? startedMs : endedMs[i - 1]!));
    for (const [i, part] of joint) {
      const bothMs = tookMs[i]! + tookMs[i + 1]!;
      [tookMs[i], tookMs[i + 1]] = [bothMs * part, bothMs * (1 - part)];
    }
    return tookMs;
  }

  idle(): Promise<void> {
    return Promise.resolve();
  }

  memory(): MemoryUse {
    return { bytes: this.#bytes, peakBytes: this.#peakBytes };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    await this.#linking.catch(() => {}); // it asks the threads, which must be there to answer
    await this.#pool[Symbol.asyncDispose]();
    this.#options.blas?.[Symbol.dispose]();
  }

  async #link(kernels: ReadonlySet<Kernel>): Promise<void> {
    const fresh = [...kernels].filter((kernel) => !this.#linked.has(kernel));
    if (fresh.length === 0) return;
    const module = await compileWasm(fresh.map(({ name, wasm }) => ({ name, text: wasm!.source })));
    this.#expectOpen("link kernels");
    const names = fresh.flatMap(({ wasm }) => {
      return [wasm!.entry, wasm!.product?.begin ?? wasm!.entry, wasm!.joint?.entry ?? wasm!.entry];
    });
    const first = await this.#pool.link(module, names);
    fresh.forEach((kernel, i) => {
      const entry = first + 3 * i;
      this.#linked.set(kernel, { entry, begin: entry + 1, joint: entry + 2 });
    });
  }

  #step({ kernel, shape, spans }: Dispatch): Step {
    const { wasm } = kernel;
    if (wasm === undefined) return { entry: -1, shared: false, items: 0, args: [] };
    const { entry, begin } = this.#linked.get(kernel)!, { sharedWork, libraryWork, blas } = this.#options;
    const args = [...Object.keys(kernel.bindings).map((name) => this.#addressOf(spans[name]!)), ...wasm.args(shape)];
    const product = blas === null ? undefined : wasm.product?.of(shape);
    const byLibrary = product !== undefined && 2 * product.M * product.N * product.K >= (libraryWork ?? LIBRARY_WORK);
    const at = (name: string) => this.#addressOf(spans[name]!);
    const step = byLibrary
      ? productStep(PRODUCT_ENTRY, { product, a: at("a"), b: at("b"), y: at("y"), begin, args })
      : { entry, items: wasm.items(shape), args };
    const work = workOf({ kernel, shape, spans });
    return { ...step, shared: step.items > 1 && work >= (sharedWork ?? SHARED_WORK) };
  }

  /** Does the dispatch of this number and the next one. */
  #jointStep({ items }: JointForm, dispatches: readonly Dispatch[], number: number): Step {
    const { kernel, shape, spans } = dispatches[number]!, next = dispatches[number + 1]!.kernel;
    const pointers = Object.keys(kernel.bindings).map((name) => this.#addressOf(spans[name]!));
    const isLarge = workOfBoth(dispatches, number) >= (this.#options.sharedWork ?? SHARED_WORK);
    return {
      ...{ entry: this.#linked.get(next)!.joint, args: [...pointers, ...next.wasm!.args(shape)] },
      ...{ items: items(shape), shared: items(shape) > 1 && isLarge },
    };
  }

  #reference({ kernel, shape, spans }: Dispatch): () => void {
    const arrays: Parameters<Kernel["reference"]>[0] = Object.fromEntries(
      Object.entries(kernel.bindings).map(([name, { type }]) => {
        const span = spans[name]!, address = this.#addressOf(span);
        const array = type === "u32" ? this.#memory.words(address, span.words) : this.#memory.view(address, span.words);
        return [name, array as Numbers & Words];
      }),
    );
    return () => kernel.reference(arrays, shape);
  }

  #addressOf({ buffer, start, words }: Span): number {
    const { address, label } = this.#usable(buffer);
    if (start >= 0 && start + words <= buffer.words) return address + start * 4;
    throw new RangeError(`Cannot use words ${start} to ${start + words} of buffer '${label}': it has ${buffer.words}`);
  }

  #runnable(program: Program, action: string): CpuProgram {
    this.#expectOpen(`${action} '${program.label}'`);
    const own = program as CpuProgram;
    for (const buffer of own.buffers) this.#usable(buffer);
    return own;
  }

  #own(buffer: DeviceBuffer): CpuBuffer {
    if (buffer instanceof CpuBuffer && buffer.owner === this) return buffer;
    throw new TypeError(`Cannot use buffer '${buffer.label}': it belongs to another device`);
  }

  #usable(buffer: DeviceBuffer): CpuBuffer {
    const own = this.#own(buffer);
    if (!own.freed) return own;
    throw new TypeError(`Cannot use buffer '${own.label}': it was freed`);
  }

  #expectOpen(action: string): void {
    if (this.#closed) throw new DeviceLostError(`Cannot ${action} on ${this.description}: it was closed`);
  }
}

function workOf({ kernel, shape, spans }: Dispatch): number {
  const words = Object.values(spans).reduce((sum, span) => sum + span.words, 0);
  return Math.max(kernel.flops?.(shape) ?? 0, words * WORK_A_WORD);
}

/** Of a dispatch and the next one. */
function workOfBoth(dispatches: readonly Dispatch[], number: number): number {
  return workOf(dispatches[number]!) + workOf(dispatches[number + 1]!);
}
