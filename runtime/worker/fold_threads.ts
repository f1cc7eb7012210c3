/**
 * A fold on several threads: the fold thread and helpers (`fold_helper.ts`) take items of a task from one counter until
 * none is left.
 *
 * Helpers are started by the first fold that is worth it, and nobody waits for them: a task is done when its items are,
 * whoever did them. The one thing to know: all that a task reads and writes lies in shared memory, and each task has a
 * counter of its own, so a helper that comes late to a task finds nothing to do and touches nothing.
 * @module
 */
import { doAll, type FoldCrew, type FoldedBytes, type FoldedParts } from "../state/fold_crew.ts";
import { type FoldLoops, plainLoops } from "../state/fold_loops.ts";
import { type FoldTask, itemCount, workOf } from "../state/fold_tasks.ts";
import { simdLoops } from "../state/simd_loops.ts";
import { type Counter, newCounter, takeItems, waitForItems } from "./shared_items.ts";

/** What a helper is told; it says "ready" when it can be. */
export type ToHelper =
  /** The parts that the tasks from now on are about. */
  | { readonly kind: "parts"; readonly bytes: readonly Uint8Array[]; readonly length: number }
  | { readonly kind: "task"; readonly task: FoldTask; readonly counter: Counter };

export interface FoldThreadsOptions {
  /** The calling one included. */
  readonly threadCount: number;
  /** Values of all parts together that a fold must have to be shared; the default is `SHARED_VALUES`. */
  readonly sharedValues?: number;
}

/** A few milliseconds of work; to tell the helpers takes some tenths of one. */
const SHARED_VALUES = 2 ** 21;

export class FoldThreads implements FoldCrew, Disposable {
  readonly #options: FoldThreadsOptions;
  #helpers: readonly Worker[] = [];
  readonly #loops: FoldLoops = simdLoops();
  #started: Promise<void> | null = null;
  #told: FoldedBytes["bytes"] | null = null;
  #room = new SharedArrayBuffer(0);
  #helpedItems = 0;

  constructor(options: FoldThreadsOptions) {
    this.#options = options;
  }

  /** Items that helpers have done so far. */
  get helpedItems(): number {
    return this.#helpedItems;
  }

  /** Whether this engine does the fast loops right. */
  get isFast(): boolean {
    return this.#loops !== plainLoops;
  }

  /** Starts the helpers, if no fold has, and waits until they are there. */
  start(): Promise<void> {
    return this.#started ??= this.#start();
  }

  numbers(count: number): Float64Array {
    const bytes = count * Float64Array.BYTES_PER_ELEMENT;
    if (this.#room.byteLength < bytes) this.#room = new SharedArrayBuffer(2 * bytes);
    return new Float64Array(this.#room, 0, count);
  }

  begin(parts: FoldedBytes): void {
    if (parts.bytes.length === 1 || !this.#isShared(parts)) return; // one alone is judged: that is one item
    this.start();
    this.#tellParts(parts);
  }

  run(task: FoldTask, parts: FoldedParts): void {
    const options = { vectorAt: (part: number) => parts.vectors[part]!, loops: this.#loops }, items = itemCount(task);
    if (items === 1 || !this.#isShared(parts) || !writesShared(task)) return doAll(task, options);
    this.start();
    this.#tellParts(parts);
    const counter = newCounter(items);
    this.#tell({ kind: "task", task, counter });
    const own = takeItems(counter, () => workOf(task, options));
    waitForItems(counter);
    this.#helpedItems += items - own;
  }

  [Symbol.dispose](): void {
    for (const helper of this.#helpers) helper.terminate();
    this.#helpers = [];
    this.#told = null;
  }

  #start(): Promise<void> {
    const script = new URL("./fold_helper.ts", import.meta.url);
    this.#helpers = Array.from(
      { length: this.#options.threadCount - 1 },
      () => new Worker(script, { type: "module", name: "starling fold" }),
    );
    const up = this.#helpers.map((helper) => {
      const { promise, resolve } = Promise.withResolvers<void>();
      helper.onmessage = () => resolve();
      helper.onerror = (event) => { // it did not start: folds go on without it
        event.preventDefault();
        resolve();
      };
      return promise;
    });
    return Promise.all(up).then(() => {});
  }

  /** Whether a fold of these parts is worth sharing, and others would see the very memory that it is about. */
  #isShared({ bytes, length }: FoldedBytes): boolean {
    const { threadCount, sharedValues = SHARED_VALUES } = this.#options;
    return threadCount > 1 && length * bytes.length >= sharedValues && bytes.every(liesShared);
  }

  #tellParts({ bytes, length }: FoldedBytes): void {
    if (this.#told !== bytes) this.#tell({ kind: "parts", bytes, length });
    this.#told = bytes;
  }

  #tell(message: ToHelper): void {
    for (const helper of this.#helpers) helper.postMessage(message);
  }
}

function writesShared(task: FoldTask): boolean {
  return task.kind !== "step" || (liesShared(task.weights) && (task.momentum === null || liesShared(task.momentum)));
}

function liesShared({ buffer }: ArrayBufferView): boolean {
  return buffer instanceof SharedArrayBuffer;
}
