/**
 * What every kind of trial is run with, and when it is kept or given up.
 * @module
 */
import type { Clock } from "../worker/clock.ts";
import type { TrialProgress } from "./trial.ts";
import type { TrialState } from "./trial_checkpoint.ts";
import type { Workbench } from "./workbench.ts";

/** What a trial is run with. */
export interface TrialRun {
  readonly bench: Workbench;
  /** Where an interrupted run of this very trial stopped. */
  readonly resume: TrialState | null;
  /** Stops it between two steps; what it has is kept first. */
  readonly signal: AbortSignal;
  readonly clock: Clock;
  onProgress(progress: TrialProgress): void;
  /** Keeps the trial for `resume`. */
  keep(state: TrialState): Promise<void>;
}

/** A trial is kept this often, besides when it is stopped. */
export const KEEP_MS = 60_000;

/** The time that a trial takes, interruptions left out, and its speed. */
export class Stopwatch {
  readonly #clock: Pick<Clock, "now">;
  #trainedMs: number;
  #sinceMs: number;
  #tokens = 0;

  constructor(clock: Pick<Clock, "now">, trainedMs: number) {
    this.#clock = clock;
    this.#trainedMs = trainedMs;
    this.#sinceMs = clock.now();
  }

  /** So far. */
  get trainedMs(): number {
    return this.#trainedMs + this.#clock.now() - this.#sinceMs;
  }

  trained(tokens: number): void {
    this.#tokens += tokens;
  }

  /** Tokens a second since the last lap; 0 if no time has passed. */
  lap(): number {
    const now = this.#clock.now(), ms = now - this.#sinceMs, tokens = this.#tokens;
    this.#trainedMs += ms;
    this.#sinceMs = now;
    this.#tokens = 0;
    return ms > 0 ? 1000 * tokens / ms : 0;
  }
}

/** Most work in one go: timers, signals and requests are heard in between, which a device on this thread would prevent. */
const LONGEST_WORK_MS = 50;

/** Lets the event loop turn once there has been enough work; gives what does so, to be called after every step. */
export function breathing({ clock, signal }: Pick<TrialRun, "clock" | "signal">): () => Promise<void> {
  let sinceMs = clock.now();
  return async () => {
    if (clock.now() - sinceMs < LONGEST_WORK_MS) return;
    await clock.sleep(0, signal);
    sinceMs = clock.now();
  };
}
