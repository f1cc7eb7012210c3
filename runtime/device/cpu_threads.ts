/**
 * What every thread of the cpu device does with a program: a share of each step, and a barrier between steps.
 *
 * The calling thread runs this too, as thread 0. Nothing here allocates, posts messages or knows kernels: a program is
 * words in the shared memory, and this file is the one reader and writer of their layout and of the control block.
 *
 * Invariants:
 * 1. All threads see the same steps and so count the same barriers.
 * 2. `NEXT_ITEM` is 0 between steps; in a step, threads take ranges of items from it until none is left.
 * 3. A step that thread 0 does alone is followed by a barrier before another thread reads what it wrote.
 * 4. Every program that is announced has a barrier, so the next is announced after all threads have seen this one.
 * 5. Where steps are timed, none begins before thread 0 has looked at the clock after the one before it.
 * @module
 */
import type { Sgemm } from "./blas_check.ts";
import { productEntry } from "./cpu_product.ts";

/** A WebAssembly function over pointers and plain numbers. */
export type Entry = (...args: number[]) => void;

export interface Step {
  /** Index in the pool's list of entries, or −1: thread 0 runs a reference. */
  readonly entry: number;
  /** Whether all threads share the items; otherwise thread 0 does all of them. */
  readonly shared: boolean;
  readonly items: number;
  /** Pointers and plain numbers; scratch and range follow by themselves. */
  readonly args: readonly number[];
}

/** A step as a thread runs it. */
interface OwnStep extends Omit<Step, "args"> {
  /**
   * The arguments of the entry, with places for scratch and range at the end. Made once and of any values: a list of
   * plain numbers, spread in a call, makes an object of each number each time.
   */
  readonly call: unknown[];
}

/** Words of the control block, at address 0 of the memory: the run and its program, the barrier, the step. */
const RUN = 0, ADDRESS = 1, LENGTH = 2;
const ARRIVED = 3, PASSED = 4;
const NEXT_ITEM = 5, FAILED = 6, SCRATCH = 7, SCRATCH_BYTES = 8;
const TIMED = 9;
const CONTROL_WORDS = 16;

/** An `ADDRESS` that means: leave the loop, a message waits. */
const LEAVE = 0;

/** Looks at a word before sleeping on it, about 20 µs: a barrier is shorter than a sleep, unless a core is missing. */
const LOOKS = 4_000;

/** Ranges of a step that each thread takes if all are equally fast: few, since a matrix product packs for each. */
const RANGES_A_THREAD = 4;

export interface ThreadOptions {
  readonly memory: WebAssembly.Memory;
  readonly index: number;
  readonly threadCount: number;
  /** Matrix products by a library, over the memory; then entry `PRODUCT_ENTRY` is theirs. */
  readonly sgemm: Sgemm | null;
}

export const PRODUCT_ENTRY = 0;

/** A program that lies encoded at an address, and what only thread 0 knows of it. */
export interface StartOptions {
  readonly address: number;
  readonly length: number;
  /** By step number. */
  readonly references: ReadonlyMap<number, () => void>;
  /** Where the clock is noted at the end of each step, if it is wanted. */
  readonly endedMs: Float64Array | undefined;
}

/** A program as f64 values: pointers fit, and so do the fractions among the plain numbers. */
export function encodeProgram(steps: readonly Step[]): Float64Array {
  const values = steps.map((step) => [step.entry, step.shared ? 1 : 0, step.items, step.args.length, ...step.args]);
  return Float64Array.from([steps.length, ...values.flat()]);
}

function decodeProgram(values: Float64Array): readonly Step[] {
  let at = 1;
  return Array.from({ length: values[0]! }, () => {
    const entry = values[at]!, shared = values[at + 1] === 1, items = values[at + 2]!, count = values[at + 3]!;
    at += 4 + count;
    return { entry, shared, items, args: Array.from(values.subarray(at - count, at)) };
  });
}

export class Thread {
  readonly #control: Int32Array;
  readonly #memory: WebAssembly.Memory;
  readonly #index: number;
  readonly #threadCount: number;
  readonly #entries: Entry[] = [];
  /** Programs by address; they stay where they are for good. */
  readonly #programs = new Map<number, readonly OwnStep[]>();
  /** The run that this thread saw last. */
  #run: number;
  #error: unknown;

  constructor({ memory, index, threadCount, sgemm }: ThreadOptions) {
    this.#memory = memory;
    if (sgemm !== null) this.#entries[PRODUCT_ENTRY] = productEntry(sgemm, this.#entries);
    this.#control = new Int32Array(memory.buffer, 0, CONTROL_WORDS);
    this.#index = index;
    this.#threadCount = threadCount;
    this.#run = Atomics.load(this.#control, RUN);
  }

  /** Adds the functions of a module, in the order of `names`. */
  link(module: WebAssembly.Module, names: readonly string[]): void {
    const { exports } = new WebAssembly.Instance(module, { env: { memory: this.#memory } });
    for (const name of names) {
      const entry = exports[name];
      if (typeof entry !== "function") throw new TypeError(`Cannot link '${name}': the module does not export it`);
      this.#entries.push(entry as Entry);
    }
  }

  /** Thread 0: where the threads' private words are. */
  setScratch(address: number, bytesEach: number): void {
    this.#control[SCRATCH] = address;
    this.#control[SCRATCH_BYTES] = bytesEach;
  }

  /** Thread 0: takes note of a program that lies encoded at an address. */
  know(address: number, steps: readonly Step[]): void {
    this.#programs.set(address, steps.map(ownStep));
  }

  /** Thread 0: runs a program with all threads and returns when it is done. */
  start({ address, length, references, endedMs }: StartOptions): void {
    const steps = this.#programs.get(address)!;
    const isShared = this.#threadCount > 1 && steps.some(({ shared }) => shared);
    Atomics.store(this.#control, TIMED, isShared && endedMs !== undefined ? 1 : 0);
    if (isShared) this.#announce(address, length);
    this.#steps(steps, { references, endedMs });
    if (Atomics.exchange(this.#control, FAILED, 0) === 0) return;
    throw new Error("Cannot finish a program on the cpu device: a kernel failed", { cause: this.#error });
  }

  /** Thread 0: calls the others out of `serve`. */
  recall(): void {
    this.#announce(LEAVE, 0);
  }

  /** Other threads: runs what thread 0 starts, until it recalls them. */
  serve(): void {
    const control = this.#control;
    for (;;) {
      waitWhile(control, RUN, this.#run);
      this.#run = Atomics.load(control, RUN);
      const address = Atomics.load(control, ADDRESS) >>> 0;
      if (address === LEAVE) return;
      let steps = this.#programs.get(address);
      if (steps === undefined) {
        const length = control[LENGTH]!, end = address + length * Float64Array.BYTES_PER_ELEMENT;
        // Another thread may have grown the memory an instant ago: this one learns of it between two instructions.
        while (this.#memory.buffer.byteLength < end);
        steps = decodeProgram(new Float64Array(this.#memory.buffer, address, length)).map(ownStep);
        this.#programs.set(address, steps);
      }
      this.#steps(steps, NOTHING_MORE);
    }
  }

  #announce(address: number, length: number): void {
    const control = this.#control;
    control[LENGTH] = length;
    Atomics.store(control, ADDRESS, address);
    this.#run = Atomics.add(control, RUN, 1) + 1;
    Atomics.notify(control, RUN);
  }

  #steps(steps: readonly OwnStep[], { references, endedMs }: Pick<StartOptions, "references" | "endedMs">): void {
    const index = this.#index, threadCount = this.#threadCount, isTimed = Atomics.load(this.#control, TIMED) === 1;
    let aloneBefore = false;
    for (let number = 0; number < steps.length; number++) {
      const step = steps[number]!;
      if (step.shared && threadCount > 1) {
        if (aloneBefore) this.#barrier();
        aloneBefore = false;
        // A thread that lost its core for a while takes fewer ranges, and the others do not wait for it.
        const rangeItems = Math.ceil(step.items / (threadCount * RANGES_A_THREAD));
        for (let from = 0; (from = Atomics.add(this.#control, NEXT_ITEM, rangeItems)) < step.items;) {
          this.#do(step, from, Math.min(step.items, from + rangeItems));
        }
        this.#barrier();
      } else {
        aloneBefore = true;
        if (index === 0) this.#do(step, 0, step.items, references.get(number));
      }
      if (endedMs !== undefined) endedMs[number] = performance.now();
      if (isTimed) this.#barrier();
    }
  }

  #do({ entry, call }: OwnStep, from: number, to: number, reference?: () => void): void {
    const control = this.#control;
    try {
      if (reference !== undefined) reference();
      else {
        const last = call.length - 1;
        call[last - 2] = (control[SCRATCH]! >>> 0) + this.#index * control[SCRATCH_BYTES]!;
        call[last - 1] = from;
        call[last] = to;
        Reflect.apply(this.#entries[entry]!, undefined, call);
      }
    } catch (error) {
      // A thread that left now would hang the others at the barrier.
      const isFirst = Atomics.exchange(control, FAILED, 1) === 0;
      this.#error = error;
      if (isFirst && this.#index > 0) console.error("A kernel failed in a thread of the cpu device:", error);
    }
  }

  #barrier(): void {
    const control = this.#control;
    const passed = Atomics.load(control, PASSED);
    if (Atomics.add(control, ARRIVED, 1) === this.#threadCount - 1) {
      Atomics.store(control, ARRIVED, 0);
      Atomics.store(control, NEXT_ITEM, 0);
      Atomics.add(control, PASSED, 1);
      Atomics.notify(control, PASSED);
    } else {
      waitWhile(control, PASSED, passed);
    }
  }
}

const NOTHING_MORE = { references: new Map<number, () => void>(), endedMs: undefined };

function waitWhile(control: Int32Array, word: number, value: number): void {
  for (let look = 0; look < LOOKS; look++) if (Atomics.load(control, word) !== value) return;
  while (Atomics.load(control, word) === value) Atomics.wait(control, word, value);
}

function ownStep({ args, ...step }: Step): OwnStep {
  const call: unknown[] = Array.from({ length: args.length + 3 }, () => null); // not a list of numbers, then
  args.forEach((value, i) => call[i] = value);
  return { ...step, call };
}
