/**
 * Items of work that threads take from one counter: each is done once, by whoever comes for it.
 *
 * It knows nothing of what an item is. An item that fails counts as done, so that nobody waits for it for ever, and
 * makes `waitForItems` throw.
 * @module
 */

/** Words: how many items there are, the next one to take, how many are done, whether one has failed. */
export type Counter = Int32Array<SharedArrayBuffer>;
const COUNT = 0, NEXT = 1, DONE = 2, FAILED = 3;

/** An item takes milliseconds; a thread that does not end one has died with it. */
const LONGEST_ITEM_MS = 60_000;

export function newCounter(itemCount: number): Counter {
  const counter = new Int32Array(new SharedArrayBuffer(4 * Int32Array.BYTES_PER_ELEMENT));
  counter[COUNT] = itemCount;
  return counter;
}

/**
 * Takes items until there are none left; `begin` is asked once, if there is one, for what does an item.
 * @returns how many were taken.
 */
export function takeItems(counter: Counter, begin: () => (item: number) => void): number {
  let work: ((item: number) => void) | undefined, taken = 0;
  for (;;) {
    const item = Atomics.add(counter, NEXT, 1);
    if (item >= counter[COUNT]!) return taken;
    taken++;
    try {
      work ??= begin();
      work(item);
    } catch (error) {
      Atomics.store(counter, FAILED, 1);
      console.error("An item of a fold failed:", error);
    }
    if (Atomics.add(counter, DONE, 1) + 1 === counter[COUNT]) Atomics.notify(counter, DONE);
  }
}

/** Blocks until all items are done. @throws {Error} if one has failed, or none ends for a minute. */
export function waitForItems(counter: Counter): void {
  for (let done: number; (done = Atomics.load(counter, DONE)) < counter[COUNT]!;) {
    if (Atomics.wait(counter, DONE, done, LONGEST_ITEM_MS) === "timed-out" && Atomics.load(counter, DONE) === done) {
      throw new Error(`Cannot fold: ${done} of ${counter[COUNT]} items were done, and none more for a minute`);
    }
  }
  if (Atomics.load(counter, FAILED) === 1) throw new Error("Cannot fold: an item failed; its error was logged");
}
