/**
 * All cases of all targets, in batches, in a process for each core. A process whose batch comes to no end, or takes
 * memory without bound, is ended: whoever fuzzes cannot be hung by what it found.
 * @module
 */
import { type Answer, FuzzProcess } from "./fuzz_process.ts";
import type { Batch, Failure } from "./run_cases.ts";
import type { Target } from "./target.ts";
import { targets } from "./targets/all.ts";

export interface FuzzOptions {
  readonly cases: number;
  readonly seed: number;
  /** Only these targets; all if there are none. */
  readonly only?: readonly string[];
  readonly processes?: number;
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
  /** Most that a process held after a batch. */
  readonly residentBytes: number;
  readonly ms: number;
  /** The first of each batch that failed. */
  readonly failures: readonly Failure[];
}

/** Episodes in one batch: some seconds at most. */
const EPISODES = 3;

/** How many cases each target gets: about its share of all, whole episodes where it is more than one. */
function casesOf(chosen: readonly Target[], cases: number): ReadonlyMap<Target, number> {
  const parts = chosen.reduce((sum, { share }) => sum + share, 0);
  return new Map(chosen.map((target) => [target, Math.ceil(cases * target.share / parts)]));
}

/** Runs them; the results are in the order of the targets. */
export async function fuzz(options: FuzzOptions): Promise<readonly TargetResult[]> {
  const { cases, seed, only = [], processes = navigator.hardwareConcurrency, onBatch } = options;
  const chosen = targets.filter(({ name }) => only.length === 0 || only.includes(name));
  const batches: Batch[] = [];
  for (const [{ name, episode }, count] of casesOf(chosen, cases)) {
    for (let from = 0; from < count; from += EPISODES * episode) {
      batches.push({ target: name, seed, from, to: Math.min(count, from + EPISODES * episode) });
    }
  }
  const total = batches.reduce((sum, { from, to }) => sum + to - from, 0);
  const results = new Map(chosen.map(({ name }) => [name, emptyResult(name)]));
  let done = 0, next = 0;
  const work = async (): Promise<void> => {
    while (next < batches.length) {
      await using process = new FuzzProcess();
      for (let isGone = false; next < batches.length && !isGone;) {
        const batch = batches[next++]!, startMs = performance.now(), answer = await process.ask(batch);
        isGone = answer.kind === "gone";
        results.set(
          batch.target,
          added(results.get(batch.target)!, { batch, answer, ms: performance.now() - startMs }),
        );
        onBatch?.(done += batch.to - batch.from, total);
      }
    }
  };
  await Promise.all(Array.from({ length: Math.max(1, Math.min(processes, batches.length)) }, work));
  return [...results.values()];
}

/** The command that runs a failing case again, alone or from the beginning of its episode. */
export function rerunOf({ target, seed, number }: Failure): string {
  return `deno run -A tests/fuzz/main.ts --only '${target}' --seed ${seed} --case ${number}`;
}

function emptyResult(target: string): TargetResult {
  return {
    ...{ target, cases: 0, accepted: 0, inputBytes: 0, mostBytes: 0, mostAt: 0, residentBytes: 0, ms: 0 },
    failures: [],
  };
}

function added(
  total: TargetResult,
  { batch, answer, ms }: { readonly batch: Batch; readonly answer: Answer; readonly ms: number },
): TargetResult {
  const { target, seed, from, to } = batch, cases = total.cases + to - from;
  if (answer.kind === "gone") {
    const failure = { target, seed, number: from, reason: `cases ${from} to ${to}: ${answer.reason}` };
    return { ...total, cases, ms: total.ms + ms, failures: [...total.failures, failure] };
  }
  const { accepted, inputBytes, mostBytes, mostAt, residentBytes, failure } = answer.result;
  return {
    target,
    cases,
    accepted: total.accepted + accepted,
    inputBytes: total.inputBytes + inputBytes,
    ...(mostBytes > total.mostBytes ? { mostBytes, mostAt } : { mostBytes: total.mostBytes, mostAt: total.mostAt }),
    residentBytes: Math.max(total.residentBytes, residentBytes),
    ms: total.ms + ms,
    failures: failure === null ? total.failures : [...total.failures, failure],
  };
}
