/**
 * A clock for tests that goes only when it is told to, much faster than a real one.
 * @module
 */
import type { Clock } from "../p2p/clock.ts";

/** Virtual milliseconds of one turn of the event loop in `runUntil`, unless told otherwise. */
const STEP_MS = 10;
const MOST_MS = 600_000;

export class ManualClock implements Clock {
  readonly #alarms = new Set<{ readonly atMs: number; readonly act: () => void }>();
  #nowMs = 0;

  now(): number {
    return this.#nowMs;
  }

  alarm(atMs: number, act: () => void): Disposable {
    const alarm = { atMs, act };
    this.#alarms.add(alarm);
    return { [Symbol.dispose]: () => void this.#alarms.delete(alarm) };
  }

  /** Lets time pass and rings what is due, in the order of the alarms. */
  advance(ms: number): void {
    this.#nowMs += ms;
    const due = [...this.#alarms].filter(({ atMs }) => atMs <= this.#nowMs).sort((a, b) => a.atMs - b.atMs);
    for (const alarm of due) if (this.#alarms.delete(alarm)) alarm.act();
  }

  /** Lets time pass, a little with every turn of the event loop, until something has come true. */
  async runUntil(what: string, isTrue: () => boolean, stepMs = STEP_MS): Promise<void> {
    const endMs = this.#nowMs + MOST_MS;
    while (!isTrue()) {
      if (this.#nowMs > endMs) throw new Error(`Waited in vain for ${MOST_MS} ms until ${what}`);
      await new Promise((resolve) => setTimeout(resolve, 0));
      this.advance(stepMs);
    }
  }
}
