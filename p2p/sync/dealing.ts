/**
 * Whom each member works for: its lineages. Dealt anew only when members come or go, or lineages become one, because what
 * a member has learned of one lineage's gradients is worth most there.
 *
 * Each lineage has at least one member, and members in proportion to its request: the fastest goes first, to the lineage
 * that has the largest request for the speed that it has. Where there are fewer members than lineages, each has at least
 * one, and the fastest take on more: those train several in turn.
 * @module
 */
import { speedsOf } from "./balance.ts";
import type { Lineage, Member, PeerId } from "./types.ts";

/** The roster after a change of members or lineages; `before` is the one before it. */
export function withHosts(
  roster: readonly Member[],
  { before, lineages }: { readonly before: readonly Member[]; readonly lineages: readonly Lineage[] },
): readonly Member[] {
  const isSame = roster.length === before.length && roster.every(({ peer }, i) => peer === before[i]!.peer);
  const hosted = new Set(roster.flatMap(({ hosts }) => hosts)), ids = lineages.map(({ id }) => id);
  const isWhole = hosted.size === ids.length && ids.every((id) => hosted.has(id));
  return roster.length === 0 || isSame && isWhole ? roster : deal(roster, lineages);
}

/** @param roster At least one. */
export function deal(roster: readonly Member[], lineages: readonly Lineage[]): readonly Member[] {
  const speeds = speedsOf(roster);
  const members = roster.map(({ peer }, i) => ({ peer, speed: speeds[i]! }))
    .sort((a, b) => b.speed - a.speed || (a.peer < b.peer ? -1 : 1));
  const wanting = lineages.map(({ id, batch: { request } }) => ({ id, request }))
    .sort((a, b) => b.request - a.request || a.id - b.id);
  const hosts = members.length < wanting.length ? several(members, wanting) : one(members, wanting);
  return roster.map((member) => ({ ...member, hosts: hosts.get(member.peer)!.sort((a, b) => a - b) }));
}

interface Worker {
  readonly peer: PeerId;
  readonly speed: number;
}

interface Wanting {
  readonly id: number;
  readonly request: number;
}

/** Both in order: of equals the first is taken. */
function one(members: readonly Worker[], wanting: readonly Wanting[]): Map<PeerId, number[]> {
  const given = wanting.map(({ id, request }) => ({ id, request, speed: 0 }));
  return new Map(members.map(({ peer, speed }) => {
    const neediest = given.reduce((best, each) => each.request / each.speed > best.request / best.speed ? each : best);
    neediest.speed += speed;
    return [peer, [neediest.id]];
  }));
}

function several(members: readonly Worker[], wanting: readonly Wanting[]): Map<PeerId, number[]> {
  const taken = members.map(({ peer, speed }) => ({ peer, speed, ids: [] as number[] }));
  for (const [i, { id }] of wanting.entries()) {
    const freest = taken.reduce((best, each) =>
      (each.ids.length + 1) / each.speed < (best.ids.length + 1) / best.speed ? each : best
    );
    (taken[i] ?? freest).ids.push(id);
  }
  return new Map(taken.map(({ peer, ids }) => [peer, ids]));
}
