/**
 * What is asked of a loop that does one thing at a time: requests wait in a queue, and cut its sleep short.
 * @module
 */
import type { Clock } from "./clock.ts";

export class Requests {
  readonly #waiting: (() => Promise<void>)[] = [];
  #wake = new AbortController();

  get isEmpty(): boolean {
    return this.#waiting.length === 0;
  }

  /** Puts a request in the queue; gives its result when the loop has done it. */
  ask<T>(request: () => T | Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      this.#waiting.push(async () => {
        try {
          resolve(await request());
        } catch (error) {
          reject(error);
        }
      });
      this.wake();
    });
  }

  /** For the loop: does the oldest request; false if there was none. */
  async doNext(): Promise<boolean> {
    const request = this.#waiting.shift();
    await request?.();
    return request !== undefined;
  }

  /** For the loop: sleeps until something happens; gives how long. */
  async sleep(clock: Clock, ms: number): Promise<number> {
    const startMs = clock.now();
    await clock.sleep(ms, this.#wake.signal);
    this.#wake = new AbortController();
    return clock.now() - startMs;
  }

  /** Ends a sleep that is under way, or the next one. */
  wake(): void {
    this.#wake.abort();
  }
}
