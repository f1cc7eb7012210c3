/**
 * How much each lineage asks for, and so how much it counts: AdLoCo's demand, its request times its members (Kutuzov et
 * al. 2025, arXiv 2508.18182).
 *
 * There all members are alike and make the same steps, so that demand is what a lineage trains in a round. Here a member
 * counts by its speed: 1 is the mean of all members, and one that trains several lineages in turn is divided among them.
 * Counted by heads, two slow members would outweigh a fast one that has trained more than both.
 * @module
 */
import { speedsOf } from "./balance.ts";
import type { Ground } from "./lineages.ts";

/** In the order of the lineages; of some of a state's, if the roster is the whole one. */
export function demandsOf({ lineages, roster }: Ground): readonly number[] {
  const speeds = speedsOf(roster), mean = speeds.reduce((sum, speed) => sum + speed, 0) / speeds.length;
  return lineages.map(({ id, batch }) =>
    batch.request *
    roster.reduce((sum, { hosts }, i) => hosts.includes(id) ? sum + speeds[i]! / mean / hosts.length : sum, 0)
  );
}

/** Where the lineage of highest demand stands, of equals the first: what is evaluated, sampled and exported. */
export function leadingPlace(ground: Ground): number {
  const demands = demandsOf(ground);
  return demands.indexOf(Math.max(...demands));
}

/** How much each counts where they become one: its demand; alike if nobody asks for anything. */
export function sharesOf(ground: Ground): readonly number[] {
  const demands = demandsOf(ground);
  return demands.every((demand) => demand === 0) ? demands.map(() => 1) : demands;
}
