/**
 * A learner's own time: it passes by work, and by waiting for what is known to come. A rest lasts until it is cut short.
 * @module
 */
import type { Clock } from "../../runtime/worker/clock.ts";

export class OwnTime implements Clock {
  #ms = 0;
  #resting: (() => void)[] = [];

  now(): number {
    return this.#ms;
  }

  work(ms: number): void {
    this.#ms += ms;
  }

  /** Has waited until then, unless it is later already. */
  reach(atMs: number): void {
    this.#ms = Math.max(this.#ms, atMs);
  }

  /** Resolves when the loop next has nothing to do. */
  nextRest(): Promise<void> {
    return new Promise((resolve) => this.#resting.push(resolve));
  }

  async sleep(ms: number, signal: AbortSignal): Promise<void> {
    if (ms === 0 || signal.aborted) return;
    for (const resolve of this.#resting.splice(0)) resolve();
    await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve(), { once: true }));
  }
}
