/**
 * A clock for tests that goes only when it is told to, much faster than a real one.
 * @module
 */
import type { Clock } from "../p2p/clock.ts";
import type { HostEnd } from "../p2p/host_event.ts";
import { reasonOf } from "../p2p/reason.ts";

/** Virtual milliseconds of one turn of the event loop in `runUntil`, unless told otherwise. */
const STEP_MS = 10;
const MOST_MS = 600_000;

export class ManualClock implements Clock {
  readonly #alarms = new Set<{ readonly atMs: number; readonly act: () => void }>();
  #nowMs = 0;
  /** Of a watched host, not yet thrown or expected. */
  #failure: Error | null = null;

  now(): number {
    return this.#nowMs;
  }

  /** Alarms that have not rung and are not given up. */
  get alarmCount(): number {
    return this.#alarms.size;
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

  /** Whatever waits for a host that fails need wait no longer: unless it waited for that, it fails with the host's error. */
  watch(name: string, ended: Promise<HostEnd>): void {
    ended.then((end) => {
      if (end.kind !== "failed") return;
      const reason = reasonOf(end.error);
      this.#failure ??= new Error(`${name} failed: ${reason}`, { cause: end.error });
    });
  }

  /** Lets time pass, a little with every turn of the event loop, until something has come true. */
  async runUntil(what: string, isTrue: () => boolean, stepMs = STEP_MS): Promise<void> {
    const endMs = this.#nowMs + MOST_MS;
    while (!isTrue()) {
      if (this.#failure !== null) throw this.#failure;
      if (this.#nowMs > endMs) throw new Error(`Waited in vain for ${MOST_MS} ms until ${what}`);
      await new Promise((resolve) => setTimeout(resolve, 0));
      this.advance(stepMs);
    }
    this.#failure = null; // it was waited for
  }
}
