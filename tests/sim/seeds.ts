/**
 * Many seeds on all cores. Each is a run of its own, so the results do not depend on how many threads there are; they
 * are told in the order in which they end.
 * @module
 */
import type { SeedOptions, SeedResult } from "./run_seed.ts";

export interface SeedsOptions {
  readonly threads?: number;
  readonly onResult?: (result: SeedResult) => void;
}

/** Runs all of them; the results are in the order of the seeds given. */
export async function runSeeds(
  seeds: readonly SeedOptions[],
  { threads = navigator.hardwareConcurrency, onResult }: SeedsOptions = {},
): Promise<readonly SeedResult[]> {
  const results = new Array<SeedResult>(seeds.length);
  let next = 0;
  const work = async (): Promise<void> => {
    const worker = new Worker(new URL("./seed_worker.ts", import.meta.url), { type: "module" });
    try {
      while (next < seeds.length) {
        const i = next++;
        results[i] = await ask(worker, seeds[i]!);
        onResult?.(results[i]!);
      }
    } finally {
      worker.terminate();
    }
  };
  await Promise.all(Array.from({ length: Math.max(1, Math.min(threads, seeds.length)) }, work));
  return results;
}

function ask(worker: Worker, seed: SeedOptions): Promise<SeedResult> {
  return new Promise((resolve, reject) => {
    worker.onmessage = ({ data }: MessageEvent<SeedResult>) => resolve(data);
    worker.onerror = (event) => {
      event.preventDefault();
      reject(new Error(`Seed ${seed.seed} with ${seed.peers} peers threw: ${event.message}`));
    };
    worker.postMessage(seed);
  });
}
