/**
 * How long the next box is: long enough that closing a round costs a bounded share of it, and no longer, because short
 * rounds learn better.
 *
 * The cost is the *least* wait that anybody reports: the last peer to offer waits only for record, blobs and fold, all
 * others wait for it as well. Waits for slow peers grow with the box, so a longer box would not cure them.
 * @module
 */
import type { Offer, SyncRules } from "./types.ts";

/** Share of a round that closing it may cost. */
const CLOSING_SHARE = 0.05;
/** Most that one record changes the length by, as a factor either way. */
const LARGEST_CHANGE = 1.25;

/** @param fresh The offers counted without being late. */
export function nextRoundMs(roundMs: number, fresh: readonly Offer[], rules: SyncRules): number {
  const waits = fresh.map(({ waitMs }) => waitMs).filter((waitMs) => waitMs > 0);
  if (waits.length === 0) return roundMs;
  const ideal = Math.min(...waits) / CLOSING_SHARE;
  const near = clamp(ideal, roundMs / LARGEST_CHANGE, roundMs * LARGEST_CHANGE);
  return Math.round(clamp(near, rules.leastRoundMs, rules.longestRoundMs));
}

function clamp(value: number, least: number, most: number): number {
  return Math.min(most, Math.max(least, value));
}
