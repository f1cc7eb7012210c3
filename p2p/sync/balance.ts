/**
 * How much work each member is given: its local batch and how many windows it has in lease, both in proportion to its
 * measured speed. Pure functions of the chain state, so every peer knows everybody's share.
 * @module
 */
import type { ChainState, Member, PeerId, SyncRules } from "./types.ts";

/** Boxes of work that a lease holds: the one being trained, the one in flight, and one for a faster round. */
const LEASED_BOXES = 3;
/** Global batches leased to a peer whose speed nobody knows yet. What it does not need, it returns when it leaves. */
const LEASED_UNMEASURED_BATCHES = 64;

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

/** Windows that a member's lease is topped up to. */
export function leaseWindows({ speed }: Member, roundMs: number, rules: SyncRules): number {
  if (speed <= 0) return LEASED_UNMEASURED_BATCHES * rules.batch;
  const windowsPerBox = speed * roundMs / 1000 / rules.contextLength;
  return Math.max(rules.batch, Math.ceil(LEASED_BOXES * windowsPerBox));
}
