/**
 * What a training loop does between two looks at its requests: some steps, and the time they take.
 * @module
 */
import type { TrainOrder } from "../../p2p/learner.ts";

export interface Burst {
  readonly order: TrainOrder;
  /** Taken from the lease. */
  readonly positions: number[];
  /** Start of the work that is not accounted for yet. */
  sinceMs: number;
  workedMs: number;
  restedMs: number;
  /** Of the last step. */
  rate: number;
}

export function beginBurst(order: TrainOrder, nowMs: number): Burst {
  return { order, positions: [], sinceMs: nowMs, workedMs: 0, restedMs: 0, rate: 0 };
}
