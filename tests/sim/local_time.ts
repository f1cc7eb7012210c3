/**
 * What one machine's clock shows, and when in true time it will show something: it has a rate of its own and jumps.
 * @module
 */
import type { LocalClock } from "./weather.ts";

/** More than what rounding can take from a time. */
const ROUNDED_MS = 0.01;

export class LocalTime {
  readonly #clock: LocalClock;
  #jumpedMs = 0;

  constructor(clock: LocalClock) {
    this.#clock = clock;
  }

  jump(byMs: number): void {
    this.#jumpedMs += byMs;
  }

  shownAt(trueMs: number): number {
    return this.#clock.startMs + this.#clock.rate * trueMs + this.#jumpedMs;
  }

  /** True time at which the clock shows this at the earliest, unless it jumps before. */
  whenShown(localMs: number): number {
    const atMs = (localMs - this.#clock.startMs - this.#jumpedMs) / this.#clock.rate;
    return this.shownAt(atMs) < localMs ? atMs + ROUNDED_MS : atMs;
  }
}
