/**
 * Who belongs to a lineage: peers counted in its last R records. Joining is an offer that is counted, leaving one that
 * says so, and silence for R rounds is leaving.
 * @module
 */
import type { Counted, Member, Offer, PeerId, SyncRules } from "./types.ts";

export interface CountedOffer {
  readonly counted: Counted;
  readonly offer: Offer;
}

/** The roster after a record, sorted by peer id. */
export function nextRoster(
  roster: readonly Member[],
  round: number,
  offers: readonly CountedOffer[],
  rules: SyncRules,
): readonly Member[] {
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
      speed: offer.speed > 0 ? offer.speed : known?.speed ?? 0,
      nextMs: offer.nextMs,
      name: offer.name,
    });
  }
  return [...members.values()]
    .filter(({ peer, lastCounted }) => !leavers.has(peer) && round - lastCounted < rules.rosterRounds)
    .sort((a, b) => a.peer < b.peer ? -1 : 1);
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
