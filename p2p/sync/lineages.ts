/**
 * Lineages: the models that a run trains beside each other (AdLoCo's multi-instance training, Kutuzov et al. 2025, arXiv
 * 2508.18182). All begin with the run's first weights; each has members, data, outer steps, a batch and noise of its own.
 *
 * Here is what a state says of them; how they become one is in `fusing.ts`, how much each counts in `demand.ts`, whom each
 * member works for in `dealing.ts`.
 * There is one history all the same: a record counts work for any of them, and a state has the weights of all. An offer
 * names a lineage by an id of the beginning, so it still finds the one that has that in it when two have become one.
 * @module
 */
import type { PolicyChoice } from "./batch/batching.ts";
import type { ChainState, Lineage, Member, PeerId } from "./types.ts";

/** More lineages than one run has use for: each is a whole set of weights. */
export const MOST_LINEAGES = 16;

/** Lineages that a run begins with. */
export function lineageCount({ batching }: { readonly batching: PolicyChoice }): number {
  return batching.policy === "adloco" ? batching.lineages : 1;
}

/** What says who trains which of them. */
export type Ground = Pick<ChainState, "lineages" | "roster">;

/** What a member trains in the round after this state. Who is no member trains nothing, and says the first. */
export function lineageOf({ lineages, roster, round }: Ground & Pick<ChainState, "round">, peer: PeerId): Lineage {
  const hosts = roster.find((member) => member.peer === peer)?.hosts ?? [], id = hosts[round % hosts.length];
  return lineages.find((lineage) => lineage.id === id) ?? lineages[0]!;
}

/** Members that train the same in the round after this state. */
export function matesOf(
  { lineages, roster, round }: Ground & Pick<ChainState, "round">,
  { id }: Lineage,
): readonly Member[] {
  return lineages.length === 1 ? roster : roster.filter(({ hosts }) => hosts[round % hosts.length] === id);
}

/** Where the lineage stands that has this one of the beginning in it; -1: in none. */
export function placeOf(lineages: readonly Lineage[], id: number): number {
  return lineages.findIndex(({ from }) => from.includes(id));
}
