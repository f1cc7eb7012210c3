/**
 * Why a training loop makes no step now. Pure.
 * @module
 */
import type { TrainOrder } from "../../p2p/learner.ts";
import type { Activity } from "./box.ts";

/** Why nothing is trained, as what that time counts, and whether it is news to anybody. */
export interface Idle {
  readonly reason: string;
  readonly activity: Activity;
  readonly isNews: boolean;
}

/** Where a training loop stands. */
export interface Standing {
  readonly order: TrainOrder | null;
  readonly isClosed: boolean;
  readonly isFailed: boolean;
  readonly isPaused: boolean;
  /** Whether the device is not yet to be asked again for memory that it did not have. */
  readonly isStarved: boolean;
  /** Windows of the lease that are not trained yet. */
  readonly left: number;
}

export const PAUSED: Idle = { reason: "paused by the user", activity: "throttled", isNews: true };

/** Null if there is something to do. */
export function whyIdle({ order, isClosed, isFailed, isPaused, isStarved, left }: Standing): Idle | null {
  const waiting = (reason: string, isNews: boolean): Idle => ({ reason, isNews, activity: "waiting" });
  if (order === null) return waiting("no order has come yet", false); // who gives orders says why
  if (isClosed) return waiting("this peer is closing", false);
  if (isFailed) return waiting("training has stopped", false); // was told as a failure
  if (isPaused) return PAUSED;
  if (isStarved) return waiting("the device has no memory for a single sequence; it is asked again every 30 s", true);
  if (left > 0) return null;
  return waiting("this round's share of the data is trained", order.ranges.length > 0); // without data it is one to rest
}
