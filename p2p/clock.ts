/**
 * Time as an argument: what a host reads and sleeps by. Tests have a clock of their own that they turn by hand.
 * @module
 */

export interface Clock {
  /** Milliseconds from any start; never goes back. */
  now(): number;
  /** Calls `act` once, at this time or later; disposing cancels it. */
  alarm(atMs: number, act: () => void): Disposable;
}

/** The machine's monotonic clock. */
export const systemClock: Clock = {
  now: () => performance.now(),
  alarm(atMs, act) {
    // setTimeout holds 31 bits; an alarm beyond them comes early, which does no harm.
    const timer = setTimeout(act, Math.min(Math.max(0, atMs - performance.now()), 2 ** 31 - 1));
    return { [Symbol.dispose]: () => clearTimeout(timer) };
  },
};
