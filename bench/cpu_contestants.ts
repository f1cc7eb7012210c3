/**
 * Who computes on this machine's processor: ours in WebAssembly and with the machine's library, on one thread and on
 * all, and PyTorch on as many.
 * @module
 */
import { blasChoice, findBlas } from "../runtime/device/blas.ts";
import { openCpuDevice } from "../runtime/device/cpu.ts";
import type { Contestant } from "./contest.ts";
import type { BenchLine } from "./line.ts";
import { ourContestant } from "./our_contestant.ts";

/** One thread, and one for each core. */
export const THREAD_COUNTS: readonly number[] = [...new Set([1, navigator.hardwareConcurrency])];

export interface OurCpu {
  /** In WebAssembly alone, by number of threads. */
  readonly wasm: ReadonlyMap<number, Contestant>;
  /** With the products by a library; empty if there is none. */
  readonly library: ReadonlyMap<number, Contestant>;
  /** The library's file, if there is one. */
  readonly file: string | null;
  /** A line that says why there is none. */
  readonly missing: readonly BenchLine[];
}

/** Opens both with each of some numbers of threads. */
export async function openOurCpu(threadCounts: readonly number[] = THREAD_COUNTS): Promise<OurCpu> {
  const { blas, problem } = findBlas(blasChoice());
  blas?.[Symbol.dispose]();
  const wasm = new Map<number, Contestant>(), library = new Map<number, Contestant>();
  for (const threads of threadCounts) {
    wasm.set(threads, await open(threads, "off", ""));
    if (blas !== null) library.set(threads, await open(threads, blas.file, blas.name));
  }
  const missing = problem === null
    ? []
    : [{ name: "no products by a library", device: "cpu, skipped", reason: problem }];
  return { wasm, library, file: blas?.file ?? null, missing };
}

async function open(threads: number, blas: string, version: string): Promise<Contestant> {
  const device = await openCpuDevice({ threads, blas }), { description } = device;
  const versions = version === "" ? {} : { versions: version };
  const contestant = ourContestant({ device, about: { device: description, threads, ...versions } });
  return {
    ...contestant,
    async [Symbol.asyncDispose]() {
      await contestant[Symbol.asyncDispose]();
      await device[Symbol.asyncDispose]();
    },
  };
}
