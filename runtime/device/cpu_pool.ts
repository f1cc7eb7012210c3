/**
 * The threads of the cpu device: the calling thread and workers, over one shared memory.
 *
 * It starts workers, gives them modules and ends them; what a thread does with a program is `cpu_threads.ts`.
 *
 * The one thing to know: a worker in `serve` does not look at its messages. `#ask` therefore recalls the workers
 * first, and their answers say that they are back in `serve`.
 * @module
 */
import type { Blas } from "./blas.ts";
import type { CpuMemory } from "./cpu_memory.ts";
import { encodeProgram, PRODUCT_ENTRY, type Step, Thread } from "./cpu_threads.ts";

export type ToWorker =
  | {
    readonly kind: "open";
    readonly memory: WebAssembly.Memory;
    readonly index: number;
    readonly threadCount: number;
    /** The file of the library that does matrix products. */
    readonly blas: string | null;
  }
  | { readonly kind: "link"; readonly module: WebAssembly.Module; readonly names: readonly string[] };

export type FromWorker = { readonly kind: "ready" };

/** Runs a program, blocking until it is done. It notes the clock at the end of each step, if there is where. */
export type Start = (endedMs?: Float64Array) => void;

export interface CpuPool extends AsyncDisposable {
  readonly threadCount: number;
  /** Adds functions to the list of entries; returns the index of the first. */
  link(module: WebAssembly.Module, names: readonly string[]): Promise<number>;
  /** Makes sure that each thread has this many private words. */
  reserveScratch(words: number): void;
  /** Puts a program in the memory for good and returns what runs it. */
  load(steps: readonly Step[], references: ReadonlyMap<number, () => void>): Start;
}

export interface CpuPoolOptions {
  readonly threadCount: number;
  /** Open in the calling thread; the other threads open it for themselves. */
  readonly blas: Blas | null;
}

export async function openCpuPool(cpuMemory: CpuMemory, { threadCount, blas }: CpuPoolOptions): Promise<CpuPool> {
  const { memory } = cpuMemory, sgemm = blas?.over(new Uint8Array(memory.buffer)) ?? null;
  const caller = new Thread({ memory, index: 0, threadCount, sgemm });
  const workers = Array.from(
    { length: threadCount - 1 },
    () => new Worker(new URL("./cpu_worker.ts", import.meta.url), { type: "module", name: "starling cpu" }),
  );
  let entryCount = blas === null ? 0 : PRODUCT_ENTRY + 1, scratchWords = 0, scratchAddress = 0;

  /** Sends a message to every worker, which must not be in `serve`, and waits until all are in it again. */
  const ask = async (message: (index: number) => ToWorker) => {
    await Promise.all(workers.map((worker, i) =>
      new Promise<void>((resolve, reject) => {
        worker.onmessage = () => resolve();
        worker.onerror = (event) => {
          event.preventDefault();
          reject(new Error(`Cannot start a thread of the cpu device: ${event.message}`));
        };
        worker.postMessage(message(i + 1));
      })
    ));
  };
  const end = () => {
    if (workers.length > 0) caller.recall();
    for (const worker of workers) worker.terminate();
  };

  try {
    await ask((index) => ({ kind: "open", memory, index, threadCount, blas: blas?.file ?? null }));
  } catch (error) {
    end();
    throw error;
  }

  return {
    threadCount,
    async link(module, names) {
      const first = entryCount;
      caller.link(module, names);
      entryCount += names.length;
      if (workers.length > 0) caller.recall();
      await ask(() => ({ kind: "link", module, names }));
      return first;
    },
    reserveScratch(words) {
      if (words <= scratchWords) return;
      // Whole cache lines for each thread, so that no two write to one.
      const wordsEach = Math.ceil(words / 64) * 64;
      if (scratchAddress !== 0) cpuMemory.take(scratchAddress);
      scratchAddress = cpuMemory.give(wordsEach * threadCount, "scratch of the threads");
      scratchWords = wordsEach;
      caller.setScratch(scratchAddress, wordsEach * 4);
    },
    load(steps, references) {
      const program = encodeProgram(steps);
      const address = cpuMemory.give(program.length * 2, "program");
      new Float64Array(memory.buffer, address, program.length).set(program);
      caller.know(address, steps);
      return (endedMs) => caller.start({ address, length: program.length, references, endedMs });
    },
    [Symbol.asyncDispose]() {
      end();
      return Promise.resolve();
    },
  };
}
