/**
 * What is true of every state that any history leads to: the least that a state from elsewhere must show before it is
 * believed, however many say that it is right. A peer that took one without members would never go on from it.
 *
 * Facts of the state alone. Whether it is the *right* one only others can confirm (`joining.ts`).
 * @module
 */
import { isIn } from "./cells.ts";
import { whyImpossibleBatch } from "./batch/request.ts";
import { ownedIn } from "./classes.ts";
import { LARGEST_SPEED } from "./offer.ts";
import { windowCount } from "./ranges.ts";
import { isMember } from "./roster.ts";
import type { ChainState, SyncRules } from "./types.ts";

/** Why no history of this run leads to such a state, or null. */
export function whyImpossible(chain: ChainState, rules: SyncRules): string | null {
  const { round, cell, met, roster, ledger, roundMs, batch, tokens, recent } = chain;
  if (round > 0 && roster.length === 0) return "it has no members";
  if (met.length !== cell.length) return `its cell '${cell}' has ${met.length} edges`;
  const oversized = whyImpossibleBatch(batch, tokens, rules);
  if (oversized !== null) return oversized;
  const guest = roster.find(({ peer }) => !isIn(cell, peer, rules));
  if (guest !== undefined) return `its member ${guest.peer} is not in its cell '${cell}'`;
  if (roundMs < rules.leastRoundMs || roundMs > rules.longestRoundMs) {
    return `its rounds are ${roundMs} ms, the run's ${rules.leastRoundMs} to ${rules.longestRoundMs}`;
  }
  const fast = roster.find(({ speed }) => speed > LARGEST_SPEED);
  if (fast !== undefined) return `its member ${fast.peer} computes ${fast.speed} tokens/s`;
  const strange = ledger.leases.find(({ peer }) => !isMember(roster, peer));
  if (strange !== undefined) return `it leases windows to ${strange.peer}, who is no member`;
  const foreign = ledger.leases.find(({ ranges }) => windowCount(ownedIn(ranges, cell)) !== windowCount(ranges));
  if (foreign !== undefined) return `it leases windows to ${foreign.peer} that are another cell's`;
  const last = [...ledger.leases.map(({ ranges }) => ranges), ledger.returned]
    .reduce((end, ranges) => Math.max(end, ranges.at(-1)?.end ?? 0), 0);
  if (last > ledger.cursor) return `it has windows up to ${last}, and leased none from ${ledger.cursor} on`;
  const torn = recent.find(({ parents, bases }) => parents.length !== bases.length);
  return torn === undefined
    ? null
    : `record ${torn.round} has ${torn.parents.length} parents and ${torn.bases.length} states`;
}
