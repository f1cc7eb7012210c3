/**
 * Who belongs to a run: peers counted in its last R records. Joining is an offer that is counted, leaving one that
 * says so, and silence for R rounds is leaving; so is being taken off the list of a run that has one.
 * @module
 */
import { medianSpeed } from "./balance.ts";
import { isAllowed } from "./members.ts";
import type { Change, Counted, Member, Offer, PeerId, Signed, SyncRules } from "./types.ts";

/** Most that a member's speed grows in one record. A speed is what its peer says, and shares of the batch follow it. */
const SPEED_GROWTH = 2;
/** Most that a first speed is believed, in medians of those that are known. */
const FIRST_SPEED_MEDIANS = 16;

export interface CountedOffer {
  readonly counted: Counted;
  readonly offer: Offer;
}

/** The roster after a record, sorted by peer id. */
export function nextRoster(
  roster: readonly Member[],
  round: number,
  offers: readonly CountedOffer[],
  { rules, list }: { readonly rules: SyncRules; readonly list: Signed<Change> | null },
): readonly Member[] {
  const median = medianSpeed(roster);
  const members = new Map(roster.map((member) => [member.peer, member]));
  const leavers = new Set<PeerId>();
  for (const { counted, offer } of offers) {
    const known = members.get(offer.peer);
    if (offer.leaving) leavers.add(offer.peer);
    // A late offer of a peer that has left since must not bring it back; a late first offer must.
    if (known === undefined && counted.age > 0 && offer.blob !== null) continue;
    members.set(offer.peer, {
      peer: offer.peer,
      since: known?.since ?? round,
      lastCounted: round,
      speed: believedSpeed(offer.speed, { before: known?.speed ?? 0, median }),
      nextMs: offer.nextMs,
      name: offer.name,
      hosts: known?.hosts ?? [], // see `dealing.ts`
    });
  }
  return [...members.values()]
    .filter(({ peer, lastCounted }) => !leavers.has(peer) && round - lastCounted < rules.rosterRounds)
    .filter(({ peer }) => isAllowed(peer, list, rules))
    .sort((a, b) => a.peer < b.peer ? -1 : 1);
}

/** A claim, within what it was before or, for a first one, within what others do. An absurd one is not refused: capped. */
function believedSpeed(claimed: number, { before, median }: { before: number; median: number }): number {
  if (claimed <= 0) return before;
  const most = before > 0 ? SPEED_GROWTH * before : median > 0 ? FIRST_SPEED_MEDIANS * median : claimed;
  return Math.min(claimed, most);
}

/**
 * The members of both states of a merge, sorted by peer id. Nobody grows more silent by it: rounds of silence are those
 * of the side where a member was counted last.
 */
export function uniteRosters(
  sides: readonly { readonly round: number; readonly roster: readonly Member[] }[],
  round: number,
): readonly Member[] {
  const members = new Map<PeerId, Member>();
  for (const side of sides) {
    for (const member of side.roster) {
      const lastCounted = round - (side.round - member.lastCounted);
      const known = members.get(member.peer);
      const since = Math.min(known?.since ?? member.since, member.since);
      if (known === undefined || lastCounted > known.lastCounted) {
        members.set(member.peer, { ...member, lastCounted, since });
      } else members.set(member.peer, { ...known, since });
    }
  }
  return [...members.values()].sort((a, b) => a.peer < b.peer ? -1 : 1);
}

export function isMember(roster: readonly Member[], peer: PeerId): boolean {
  return roster.some((member) => member.peer === peer);
}
