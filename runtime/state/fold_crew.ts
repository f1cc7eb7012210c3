/**
 * Who does the tasks of a fold: the calling thread alone, or with others (`worker/fold_threads.ts`).
 * @module
 */
import type { EncodedVector } from "./codec/codec.ts";
import { plainLoops } from "./fold_loops.ts";
import { type FoldTask, itemCount, workOf, type WorkOptions } from "./fold_tasks.ts";
import { addProducts, emptyGram, type Gram, pairCount } from "./robust/gram.ts";

/** Contributions as they came. */
export interface FoldedBytes {
  readonly bytes: readonly Uint8Array[];
  /** Values of each. */
  readonly length: number;
}

/** What all tasks of one fold are about. */
export interface FoldedParts extends FoldedBytes {
  /** The same, open; null where they do not decode. */
  readonly vectors: readonly (EncodedVector | null)[];
}

/** Any number of threads gives the same bits. */
export interface FoldCrew {
  /** Says what the next tasks are about, so that who helps is awake when the first of them comes. */
  begin(parts: FoldedBytes): void;
  /** Room for what a task writes, until the next is asked for. What is in it is anything. */
  numbers(count: number): Float64Array;
  /** Does all items of a task and returns when it is done. */
  run(task: FoldTask, parts: FoldedParts): void;
}

/** The calling thread. */
export const alone: FoldCrew = {
  begin() {},
  numbers: (count) => new Float64Array(count),
  run: (task, { vectors }) => doAll(task, { vectorAt: (part) => vectors[part]!, loops: plainLoops }),
};

/** Does all items of a task. */
export function doAll(task: FoldTask, options: WorkOptions): void {
  const work = workOf(task, options);
  for (let item = 0; item < itemCount(task); item++) work(item);
}

/** Stretches whose products are held at a time. */
const WAVE = 1024;

export interface GramOrder {
  readonly parts: FoldedParts;
  /** Which of the parts. */
  readonly of: readonly number[];
  /** The stretches to look at. */
  readonly starts: readonly number[];
}

/** All inner products, summed stretch by stretch in the order of `starts`. */
export function gramBy(crew: FoldCrew, { parts, of, starts }: GramOrder): Gram {
  const gram = emptyGram(of.length), pairs = pairCount(of.length);
  for (let from = 0; from < starts.length; from += WAVE) {
    const wave = starts.slice(from, from + WAVE), products = crew.numbers(wave.length * pairs);
    crew.run({ kind: "products", parts: of, starts: wave, products }, parts);
    addProducts(gram, products);
  }
  return gram;
}
