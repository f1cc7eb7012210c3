/**
 * A signal that aborts after a time, or when another does; it leaves no timer behind when disposed.
 * @module
 */
import { type Clock, systemClock } from "../clock.ts";

export interface DeadlineOptions {
  /** Abort it as well. */
  readonly others?: readonly (AbortSignal | undefined)[];
  readonly clock?: Clock;
}

export class Deadline implements Disposable {
  readonly #controller = new AbortController();
  readonly #ms: number;
  readonly #others: readonly AbortSignal[];
  readonly #clock: Clock;
  readonly #abort: (event: Event) => void;
  #alarm: Disposable | null = null;
  #dueMs = 0;
  #expired = false;

  constructor(ms: number, { others = [], clock = systemClock }: DeadlineOptions = {}) {
    this.#ms = ms;
    this.#clock = clock;
    this.#others = others.filter((signal) => signal !== undefined);
    this.#abort = () => this.#controller.abort(this.#others.find(({ aborted }) => aborted)?.reason);
    for (const signal of this.#others) signal.addEventListener("abort", this.#abort);
    if (this.#others.some(({ aborted }) => aborted)) this.#controller.abort();
    else this.restart();
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Whether the time ran out: not another signal, not disposal. */
  get expired(): boolean {
    return this.#expired;
  }

  /** Counts the whole time again from now. It costs next to nothing: the alarm that is set looks whether it is time. */
  restart(): void {
    this.#dueMs = this.#clock.now() + this.#ms;
    if (this.#alarm === null) this.#setAlarm();
  }

  /** Only the other signals count from now on. */
  stop(): void {
    this.#alarm?.[Symbol.dispose]();
    this.#alarm = null;
  }

  #setAlarm(): void {
    this.#alarm = this.#clock.alarm(this.#dueMs, () => {
      if (this.#clock.now() < this.#dueMs) return this.#setAlarm();
      this.#alarm = null;
      this.#expired = true;
      this.#controller.abort(new DOMException(`Nothing happened for ${this.#ms} ms`, "TimeoutError"));
    });
  }

  [Symbol.dispose](): void {
    this.stop();
    for (const signal of this.#others) signal.removeEventListener("abort", this.#abort);
  }
}
