/**
 * The cpu device: WebAssembly SIMD on a pool of threads over one shared memory; kernels without a WebAssembly form run
 * by their reference.
 *
 * It knows nothing of what the kernels compute. `run` does its work before it returns, so everything takes effect in
 * the order of the calls by itself; open it in a worker if the calling thread has other duties.
 *
 * The one thing to know: the number of threads never changes a result. Threads take ranges of independent items
 * (`WasmForm.items`), and dispatches too small to share run on the calling thread.
 * @module
 */
import type { Kernel, Numbers, Words } from "../../kernels/kernel.ts";
import { CpuMemory } from "./cpu_memory.ts";
import { openCpuPool } from "./cpu_pool.ts";
import type { Step } from "./cpu_threads.ts";
import {
  checkDispatch,
  checkWrite,
  type Device,
  type DeviceBuffer,
  type Dispatch,
  type Program,
  type Span,
} from "./device.ts";
import { compileWasm, type WasmCache } from "./wasm_module.ts";

export interface CpuDeviceOptions {
  /** Threads that work, the calling one included; the default is one a core. */
  readonly threads?: number;
  /** Most bytes of memory; the default and upper bound is 4 GiB. */
  readonly limitBytes?: number;
  /** Keeps compiled kernels between runs. */
  readonly cache?: WasmCache;
  /** Operations that a dispatch must hold before threads share it; the default is `SHARED_WORK`. */
  readonly sharedWork?: number;
}

/**
 * Operations that a dispatch must hold before threads share it. A barrier costs 2 to 10 µs where every thread has a core and
 * more where cores are short; one thread does 2¹⁹ operations in about 20 µs.
 */
const SHARED_WORK = 2 ** 19;
/** Operations that reading or writing one word is worth, for kernels that are bound by memory. */
const WORK_A_WORD = 8;
const MOST_THREADS = 64;

export async function openCpuDevice(options: CpuDeviceOptions = {}): Promise<Device> {
  const threads = options.threads ?? Math.min(MOST_THREADS, navigator.hardwareConcurrency);
  if (!Number.isInteger(threads) || threads < 1 || threads > MOST_THREADS) {
    throw new RangeError(
      `Cannot open the cpu device with ${threads} threads; give a whole number from 1 to ${MOST_THREADS}`,
    );
  }
  const sharedWork = options.sharedWork ?? SHARED_WORK;
  const memory = new CpuMemory(options);
  const pool = await openCpuPool(memory, threads);
  /** Kernels whose WebAssembly form is linked, with their index in the pool. */
  const entries = new Map<Kernel, number>();
  let linking: Promise<void> = Promise.resolve();
  let bytes = 0, peakBytes = 0;

  function own(buffer: DeviceBuffer): CpuBuffer {
    if (buffer instanceof CpuBuffer && buffer.owner === memory) return buffer;
    throw new TypeError(`Cannot use buffer '${buffer.label}': it belongs to another device`);
  }

  function addressOf({ buffer, start, words }: Span): number {
    const { address, freed, label } = own(buffer);
    if (freed) throw new TypeError(`Cannot use buffer '${label}': it was freed`);
    if (start < 0 || start + words > buffer.words) {
      throw new RangeError(
        `Cannot use words ${start} to ${start + words} of buffer '${label}': it has ${buffer.words}`,
      );
    }
    return address + start * 4;
  }

  async function link(kernels: readonly Kernel[]): Promise<void> {
    const fresh = kernels.filter((kernel) => !entries.has(kernel));
    if (fresh.length === 0) return;
    const module = await compileWasm(fresh.map(({ name, wasm }) => ({ name, text: wasm!.source })), options);
    const first = await pool.link(module, fresh.map(({ wasm }) => wasm!.entry));
    fresh.forEach((kernel, i) => entries.set(kernel, first + i));
  }

  function step({ kernel, shape, spans }: Dispatch): Step {
    const { wasm } = kernel;
    if (wasm === undefined) return { entry: -1, shared: false, items: 0, args: [] };
    const pointers = Object.keys(kernel.bindings).map((name) => addressOf(spans[name]!));
    const items = wasm.items(shape);
    return {
      entry: entries.get(kernel)!,
      shared: items > 1 && workOf({ kernel, shape, spans }) >= sharedWork,
      items,
      args: [...pointers, ...wasm.args(shape)],
    };
  }

  function reference({ kernel, shape, spans }: Dispatch): () => void {
    const arrays: Parameters<Kernel["reference"]>[0] = Object.fromEntries(
      Object.entries(kernel.bindings).map(([name, { type }]) => {
        const span = spans[name]!, address = addressOf(span);
        const array = type === "u32" ? memory.words(address, span.words) : memory.view(address, span.words);
        return [name, array as Numbers & Words];
      }),
    );
    return () => kernel.reference(arrays, shape);
  }

  return {
    kind: "cpu",
    description: `cpu (WebAssembly SIMD, ${threads} ${threads === 1 ? "thread" : "threads"})`,
    allocate(words, label) {
      const buffer = new CpuBuffer(memory.give(words, label), words, label, memory);
      bytes += words * 4;
      peakBytes = Math.max(peakBytes, bytes);
      return buffer;
    },
    free(buffer) {
      const cpuBuffer = own(buffer);
      if (cpuBuffer.freed) return;
      memory.take(cpuBuffer.address);
      cpuBuffer.freed = true;
      bytes -= buffer.words * 4;
    },
    write(span, values) {
      const address = addressOf(span);
      checkWrite(span, values);
      if (values instanceof Uint32Array) memory.words(address, span.words).set(values);
      else memory.view(address, span.words).set(values);
    },
    // deno-lint-ignore require-await -- an error must reject, not throw
    async read(spans) {
      return spans.map((span) => Float32Array.from(memory.view(addressOf(span), span.words)));
    },
    async prepare(dispatches, label) {
      dispatches.forEach(checkDispatch);
      const kernels = [...new Set(dispatches.map(({ kernel }) => kernel))].filter(({ wasm }) => wasm !== undefined);
      linking = linking.catch(() => {}).then(() => link(kernels));
      await linking;
      for (const { kernel, shape } of dispatches) pool.reserveScratch(kernel.wasm?.scratchWords?.(shape) ?? 0);
      const references = new Map(
        dispatches.flatMap((dispatch, i) => dispatch.kernel.wasm === undefined ? [[i, reference(dispatch)]] : []),
      );
      const program: CpuProgram = {
        label,
        dispatchCount: dispatches.length,
        start: pool.load(dispatches.map(step), references),
      };
      return program;
    },
    run: (program) => (program as CpuProgram).start(),
    idle: () => Promise.resolve(),
    memory: () => ({ bytes, peakBytes }),
    [Symbol.asyncDispose]: () => pool[Symbol.asyncDispose](),
  };
}

interface CpuProgram extends Program {
  start(): void;
}

class CpuBuffer implements DeviceBuffer {
  freed = false;
  constructor(
    readonly address: number,
    readonly words: number,
    readonly label: string,
    readonly owner: CpuMemory,
  ) {}
}

function workOf({ kernel, shape, spans }: Dispatch): number {
  const words = Object.values(spans).reduce((sum, span) => sum + span.words, 0);
  return Math.max(kernel.flops?.(shape) ?? 0, words * WORK_A_WORD);
}
