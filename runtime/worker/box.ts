/**
 * What one box held: the counts that a contribution reports, from one cut to the next.
 * @module
 */
import type { StepMetrics } from "../train/step_metrics.ts";

/** How this thread spent its time; a throttle's rests and pauses are `throttled`. */
export interface TimeShares {
  readonly computingMs: number;
  readonly throttledMs: number;
  readonly waitingMs: number;
  readonly evaluatingMs: number;
}

export type Activity = "computing" | "throttled" | "waiting" | "evaluating";

export class Box {
  steps = 0;
  tokens = 0;
  skipped = 0;
  #lossSum = 0;
  readonly #ms: Record<Activity, number> = { computing: 0, throttled: 0, waiting: 0, evaluating: 0 };

  /** A step whose gradient was not finite changed nothing: it counts as skipped and in nothing else. */
  add(step: StepMetrics): void {
    if (step.skipped) {
      this.skipped++;
      return;
    }
    this.steps++;
    this.tokens += step.tokens;
    this.#lossSum += step.loss * step.tokens;
  }

  /** The steps were lost; the time was spent. */
  forgetSteps(): void {
    this.steps =
      this.tokens =
      this.skipped =
      this.#lossSum =
        0;
  }

  spend(activity: Activity, ms: number): void {
    this.#ms[activity] += ms;
  }

  /** Mean over tokens, nats; 0 without steps. */
  get loss(): number {
    return this.tokens === 0 ? 0 : this.#lossSum / this.tokens;
  }

  get shares(): TimeShares {
    const { computing, throttled, waiting, evaluating } = this.#ms;
    return { computingMs: computing, throttledMs: throttled, waitingMs: waiting, evaluatingMs: evaluating };
  }
}
