/**
 * Virtual time: a heap of things to do, run in order of time and then of planning, so that every run is the same.
 * @module
 */

interface Planned {
  readonly atMs: number;
  readonly order: number;
  readonly act: () => void;
}

const MOST_ACTS_AT_ONCE = 10_000;

export class VirtualTime {
  nowMs = 0;
  readonly #heap: Planned[] = [];
  #order = 0;
  /** Acts at this very moment, so far: a core that asks for a tick in the past would go on for ever. */
  #actsNow = 0;

  at(atMs: number, act: () => void): void {
    const heap = this.#heap;
    heap.push({ atMs: Math.max(atMs, this.nowMs), order: this.#order++, act });
    for (let i = heap.length - 1; i > 0;) {
      const parent = (i - 1) >> 1;
      if (isBefore(heap[parent]!, heap[i]!)) break;
      [heap[parent], heap[i]] = [heap[i]!, heap[parent]!];
      i = parent;
    }
  }

  after(delayMs: number, act: () => void): void {
    this.at(this.nowMs + delayMs, act);
  }

  /** Runs everything up to `untilMs`. */
  runUntil(untilMs: number): void {
    while (this.#heap.length > 0 && this.#heap[0]!.atMs <= untilMs) {
      const { atMs, act } = this.#takeFirst();
      this.#actsNow = atMs === this.nowMs ? this.#actsNow + 1 : 0;
      if (this.#actsNow > MOST_ACTS_AT_ONCE) throw new Error(`Time stands still at ${atMs} ms: ${act}`);
      this.nowMs = atMs;
      act();
    }
    this.nowMs = untilMs;
  }

  #takeFirst(): Planned {
    const heap = this.#heap;
    const first = heap[0]!;
    const last = heap.pop()!;
    if (heap.length === 0) return first;
    heap[0] = last;
    for (let i = 0;;) {
      const left = 2 * i + 1, right = left + 1;
      let least = i;
      if (left < heap.length && isBefore(heap[left]!, heap[least]!)) least = left;
      if (right < heap.length && isBefore(heap[right]!, heap[least]!)) least = right;
      if (least === i) return first;
      [heap[i], heap[least]] = [heap[least]!, heap[i]!];
      i = least;
    }
  }
}

function isBefore(a: Planned, b: Planned): boolean {
  return a.atMs < b.atMs || a.atMs === b.atMs && a.order < b.order;
}
