/**
 * The good guest's pace: after work of duration d, a throttled peer rests d · (100/p − 1), so that it works p % of the
 * time. Pure bookkeeping; who calls it waits.
 * @module
 */

export class Pace {
  #percent = 100;
  #workedMs = 0;
  #restedMs = 0;

  /** Share of the time to work in; takes effect on the rest that is still due. @param percent Over 0, at most 100. */
  set percent(percent: number) {
    this.#percent = percent;
  }

  /** Notes work; what was due before is forgiven. */
  worked(ms: number): void {
    this.#workedMs = ms;
    this.#restedMs = 0;
  }

  rested(ms: number): void {
    this.#restedMs += ms;
  }

  /** Rest that is due now. */
  get dueMs(): number {
    return Math.max(0, this.#workedMs * (100 / this.#percent - 1) - this.#restedMs);
  }
}
