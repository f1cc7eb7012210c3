/**
 * How much work each member is given: its local batch and how many windows it has in lease, both in proportion to its
 * measured speed. Pure functions of the chain state, so every peer knows everybody's share.
 *
 * A box has at least `LEAST_STEPS` inner steps: where the request is more than so many steps of everybody can hold, less
 * than the request is done. Both follow speed, so nobody is at that limit before all are.
 * @module
 */
import { batchOf, depthOf } from "./cells.ts";
import type { ChainState, Member, PeerId, SyncRules } from "./types.ts";

/** Inner steps that the longest batch of a member leaves room for in a box. */
const LEAST_STEPS = 10;
/** Boxes of work that a lease holds: the one being trained, the one in flight, and one for a faster round. */
const LEASED_BOXES = 3;
/** Global batches leased to a peer while nobody's speed is known. What it does not need, it returns when it leaves. */
const LEASED_UNMEASURED_BATCHES = 64;
/** A peer without a speed among such that have one: it is taken to be so many times as fast as the median. */
const UNMEASURED_MEDIANS = 4;

type Ground = Pick<ChainState, "roster" | "roundMs" | "cell" | "batch">;

/**
 * Sequences of one inner step of this peer: at least 1, else ∝ speed, or a fair share while that is unmeasured. All
 * together make the cell's part of the request, or as much of it as fits.
 */
export function localBatch(chain: Ground, peer: PeerId, rules: SyncRules): number {
  const { roster } = chain, at = roster.findIndex((member) => member.peer === peer);
  if (at < 0) return 1;
  const speeds = speedsOf(roster),
    shares = dealt(Math.min(batchOf(chain.cell, chain.batch.request), fits(chain, rules)), speeds);
  // The whole number that the sum up to it grows by: so rounding neither adds to the global batch nor takes from it.
  const upTo = (count: number) => Math.round(sum(shares.slice(0, count)));
  return Math.max(1, upTo(at + 1) - upTo(at));
}

/** Sequences of one inner step of the whole run, as far as members have time for them. */
export function dealtBatch(chain: Ground, rules: SyncRules): number {
  return Math.min(chain.batch.request, Math.max(1, Math.floor(fits(chain, rules) * 2 ** depthOf(chain.cell))));
}

/** What learning rates go by: never less than the batch that the run's rate was chosen for. */
export function globalBatch(chain: Ground, rules: SyncRules): number {
  return Math.max(rules.batch, dealtBatch(chain, rules));
}

/** Most sequences of an inner step of all members together; Infinity while no speed is known. */
function fits({ roster, roundMs }: Ground, { contextLength }: SyncRules): number {
  if (medianSpeed(roster) === 0) return Infinity;
  return sum(speedsOf(roster)) * roundMs / 1000 / contextLength / LEAST_STEPS;
}

/** In proportion to speed, but 1 for those whose part were smaller: the others have so much less. */
function dealt(batch: number, speeds: readonly number[]): readonly number[] {
  const least = new Set<number>();
  for (;;) {
    const open = speeds.filter((_, i) => !least.has(i)), left = batch - least.size, total = sum(open);
    const shareOf = (i: number) => least.has(i) ? 1 : left * speeds[i]! / total;
    const small = speeds.flatMap((_, i) => !least.has(i) && shareOf(i) < 1 ? [i] : []);
    if (small.length === 0) return speeds.map((_, i) => shareOf(i));
    for (const i of small) least.add(i);
  }
}

/** Where it is not measured, the mean of the others; equal while none is. */
function speedsOf(roster: readonly Member[]): readonly number[] {
  const measured = roster.map(({ speed }) => speed).filter((speed) => speed > 0);
  const mean = measured.length === 0 ? 1 : sum(measured) / measured.length;
  return roster.map(({ speed }) => speed > 0 ? speed : mean);
}

export interface LeaseContext {
  readonly roster: readonly Member[];
  readonly roundMs: number;
  /** Global batch of the next round. */
  readonly batch: number;
  readonly rules: SyncRules;
}

/** Windows that a member's lease is topped up to. */
export function leaseWindows({ speed }: Member, context: LeaseContext): number {
  return speed <= 0 ? unmeasuredWindows(context) : windowsAt(speed, context);
}

/** Windows for a member whose speed nobody knows yet: modest, because it may never come back. */
export function unmeasuredWindows(context: LeaseContext): number {
  const most = LEASED_UNMEASURED_BATCHES * context.batch, median = medianSpeed(context.roster);
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

function windowsAt(speed: number, { roundMs, batch, rules }: LeaseContext): number {
  return Math.max(batch, Math.ceil(LEASED_BOXES * speed * roundMs / 1000 / rules.contextLength));
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
