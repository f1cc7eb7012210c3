/**
 * Virtual time: a heap of things to do, run in order of time and then of planning, so that every run is the same.
 *
 * Most of what a large run does is to plan and to take out: times lie in an array of numbers beside what is to be done.
 * @module
 */
const MOST_ACTS_AT_ONCE = 10_000;

export class VirtualTime {
  nowMs = 0;
  /** The heap, by time and then by order: node i is before nodes 2 i + 1 and 2 i + 2. */
  readonly #atMs: number[] = [];
  readonly #orders: number[] = [];
  readonly #acts: (() => void)[] = [];
  #order = 0;
  /** Acts at this very moment, so far: a core that asks for a tick in the past would go on for ever. */
  #actsNow = 0;

  at(atMs: number, act: () => void): void {
    const times = this.#atMs, orders = this.#orders, acts = this.#acts;
    const time = Math.max(atMs, this.nowMs), order = this.#order++;
    let i = times.length;
    while (i > 0) {
      const parent = (i - 1) >> 1;
      if (times[parent]! <= time) break; // what was planned earlier comes first
      times[i] = times[parent]!;
      orders[i] = orders[parent]!;
      acts[i] = acts[parent]!;
      i = parent;
    }
    times[i] = time;
    orders[i] = order;
    acts[i] = act;
  }

  after(delayMs: number, act: () => void): void {
    this.at(this.nowMs + delayMs, act);
  }

  /** Runs everything up to `untilMs`. */
  runUntil(untilMs: number): void {
    while (this.#atMs.length > 0 && this.#atMs[0]! <= untilMs) {
      const atMs = this.#atMs[0]!, act = this.#takeFirst();
      this.#actsNow = atMs === this.nowMs ? this.#actsNow + 1 : 0;
      if (this.#actsNow > MOST_ACTS_AT_ONCE) throw new Error(`Time stands still at ${atMs} ms: ${act}`);
      this.nowMs = atMs;
      act();
    }
    this.nowMs = untilMs;
  }

  #takeFirst(): () => void {
    const times = this.#atMs, orders = this.#orders, acts = this.#acts, first = acts[0]!;
    const time = times.pop()!, order = orders.pop()!, act = acts.pop()!, { length } = times;
    if (length === 0) return first;
    let i = 0;
    for (let child = 1; child < length; child = 2 * i + 1) {
      const right = child + 1;
      if (
        right < length &&
        (times[right]! < times[child]! || times[right] === times[child] && orders[right]! < orders[child]!)
      ) child = right;
      if (time < times[child]! || time === times[child] && order < orders[child]!) break;
      times[i] = times[child]!;
      orders[i] = orders[child]!;
      acts[i] = acts[child]!;
      i = child;
    }
    times[i] = time;
    orders[i] = order;
    acts[i] = act;
    return first;
  }
}
