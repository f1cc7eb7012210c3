/**
 * How much work each member is given: its local batch and how many windows it has in lease, both in proportion to its
 * measured speed. Pure functions of the chain state, so every peer knows everybody's share.
 * @module
 */
import type { ChainState, Member, PeerId, SyncRules } from "./types.ts";

/** Boxes of work that a lease holds: the one being trained, the one in flight, and one for a faster round. */
const LEASED_BOXES = 3;
/** Global batches leased to a peer while nobody's speed is known. What it does not need, it returns when it leaves. */
const LEASED_UNMEASURED_BATCHES = 64;
/** A peer without a speed among such that have one: it is taken to be so many times as fast as the median. */
const UNMEASURED_MEDIANS = 4;

/** Sequences of one inner step of this peer: ∝ speed, Σ ≈ the global batch, at least 1; a fair share if unmeasured. */
export function localBatch({ roster, batch }: ChainState, peer: PeerId): number {
  const member = roster.find((member) => member.peer === peer);
  if (member === undefined) return 1;
  const measured = roster.filter(({ speed }) => speed > 0);
  const mean = measured.length === 0 ? 1 : measured.reduce((sum, { speed }) => sum + speed, 0) / measured.length;
  const speedOf = ({ speed }: Member) => speed > 0 ? speed : mean;
  const total = roster.reduce((sum, member) => sum + speedOf(member), 0);
  return Math.max(1, Math.round(batch * speedOf(member) / total));
}

export interface LeaseContext {
  readonly roster: readonly Member[];
  readonly roundMs: number;
  readonly rules: SyncRules;
}

/** Windows that a member's lease is topped up to. */
export function leaseWindows({ speed }: Member, context: LeaseContext): number {
  return speed <= 0 ? unmeasuredWindows(context) : windowsAt(speed, context);
}

/** Windows for a member whose speed nobody knows yet: modest, because it may never come back. */
export function unmeasuredWindows(context: LeaseContext): number {
  const most = LEASED_UNMEASURED_BATCHES * context.rules.batch, median = medianSpeed(context.roster);
  return median === 0 ? most : Math.min(most, windowsAt(UNMEASURED_MEDIANS * median, context));
}

const medians = new WeakMap<readonly Member[], number>();

/** The lower median of the speeds that are known, or 0; computed once for each roster, which never changes. */
export function medianSpeed(roster: readonly Member[]): number {
  let median = medians.get(roster);
  if (median === undefined) {
    const speeds = roster.map(({ speed }) => speed).filter((speed) => speed > 0).sort((a, b) => a - b);
    medians.set(roster, median = speeds[Math.floor((speeds.length - 1) / 2)] ?? 0);
  }
  return median;
}

function windowsAt(speed: number, { roundMs, rules }: LeaseContext): number {
  return Math.max(rules.batch, Math.ceil(LEASED_BOXES * speed * roundMs / 1000 / rules.contextLength));
}
