/**
 * All cases of all targets, in batches on all cores. A batch that comes to no end is given up: whoever fuzzes cannot be
 * hung by what it found.
 * @module
 */
import type { Batch, BatchResult, Failure } from "./run_cases.ts";
import type { Target } from "./target.ts";
import { targets } from "./targets/all.ts";

export interface FuzzOptions {
  readonly cases: number;
  readonly seed: number;
  /** Only these targets; all if there are none. */
  readonly only?: readonly string[];
  readonly threads?: number;
  readonly onBatch?: (done: number, total: number) => void;
}

/** What came of one target. */
export interface TargetResult {
  readonly target: string;
  readonly cases: number;
  readonly accepted: number;
  readonly inputBytes: number;
  /** Most that one case allocated, and which. */
  readonly mostBytes: number;
  readonly mostAt: number;
  readonly ms: number;
  /** The first of each batch that failed. */
  readonly failures: readonly Failure[];
}

/** Cases in one batch: some seconds at most. A multiple of every target's episode. */
const BATCH = 6000;
/** A batch that takes longer hangs. */
const HUNG_MS = 180_000;

/** How many cases each target gets: about its share of all, whole episodes where it is more than one. */
export function casesOf(chosen: readonly Target[], cases: number): ReadonlyMap<Target, number> {
  const parts = chosen.reduce((sum, { share }) => sum + share, 0);
  return new Map(chosen.map((target) => [target, Math.ceil(cases * target.share / parts)]));
}

/** Runs them; the results are in the order of the targets. */
export async function fuzz(options: FuzzOptions): Promise<readonly TargetResult[]> {
  const { cases, seed, only = [], threads = navigator.hardwareConcurrency, onBatch } = options;
  const chosen = targets.filter(({ name }) => only.length === 0 || only.includes(name));
  const batches: Batch[] = [];
  for (const [{ name }, count] of casesOf(chosen, cases)) {
    for (let from = 0; from < count; from += BATCH) {
      batches.push({ target: name, seed, from, to: Math.min(count, from + BATCH) });
    }
  }
  const total = batches.reduce((sum, { from, to }) => sum + to - from, 0);
  const results = new Map(chosen.map(({ name }) => [name, emptyResult(name)]));
  let done = 0, next = 0;
  const work = async (): Promise<void> => {
    let worker = newWorker();
    while (next < batches.length) {
      const batch = batches[next++]!, startMs = performance.now();
      const result = await ask(worker, batch);
      if (result === null) {
        worker.terminate();
        worker = newWorker();
      }
      results.set(batch.target, added(results.get(batch.target)!, { batch, result, ms: performance.now() - startMs }));
      onBatch?.(done += batch.to - batch.from, total);
    }
    worker.terminate();
  };
  await Promise.all(Array.from({ length: Math.max(1, Math.min(threads, batches.length)) }, work));
  return [...results.values()];
}

/** The command that runs a failing case again, alone or from the beginning of its episode. */
export function rerunOf({ target, seed, number }: Failure): string {
  return `deno run -A tests/fuzz/main.ts --only '${target}' --seed ${seed} --case ${number}`;
}

function newWorker(): Worker {
  return new Worker(new URL("./fuzz_worker.ts", import.meta.url), { type: "module" });
}

/** Null if it hangs. */
function ask(worker: Worker, batch: Batch): Promise<BatchResult | null> {
  const { promise, resolve, reject } = Promise.withResolvers<BatchResult | null>();
  const timer = setTimeout(() => resolve(null), HUNG_MS);
  worker.onmessage = ({ data }: MessageEvent<BatchResult>) => resolve(data);
  worker.onerror = (event) => {
    event.preventDefault();
    reject(
      new Error(`Target '${batch.target}' ended its thread in cases ${batch.from} to ${batch.to}: ${event.message}`),
    );
  };
  worker.postMessage(batch);
  return promise.finally(() => clearTimeout(timer));
}

function emptyResult(target: string): TargetResult {
  return { target, cases: 0, accepted: 0, inputBytes: 0, mostBytes: 0, mostAt: 0, ms: 0, failures: [] };
}

function added(
  total: TargetResult,
  { batch, result, ms }: { readonly batch: Batch; readonly result: BatchResult | null; readonly ms: number },
): TargetResult {
  const { target, seed, from, to } = batch;
  const hung: Failure = { target, seed, number: from, reason: `cases ${from} to ${to} took more than ${HUNG_MS} ms` };
  const failure = result === null ? hung : result.failure;
  const isMost = (result?.mostBytes ?? 0) > total.mostBytes;
  return {
    target: total.target,
    cases: total.cases + to - from,
    accepted: total.accepted + (result?.accepted ?? 0),
    inputBytes: total.inputBytes + (result?.inputBytes ?? 0),
    mostBytes: isMost ? result!.mostBytes : total.mostBytes,
    mostAt: isMost ? result!.mostAt : total.mostAt,
    ms: total.ms + ms,
    failures: failure === null ? total.failures : [...total.failures, failure],
  };
}
