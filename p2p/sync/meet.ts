/**
 * Meetings: records after which a cell's weights are the average of its own and of another cell's.
 *
 * Facts of the chain and of names only, so every peer computes alike; that the record names a true state of the other
 * cell is for its members to say (`meeting.ts`). Cells are the corners of a cube: each digit of the name is an edge,
 * beyond which lies all that differs there first. One edge after another is met, opposite if that can be, so that after
 * as many meetings as a name has digits every cell has something of all others; and who lives beyond an edge is met by
 * somebody. A meeting is written by a cell for itself, at its own time: no two cells ever wait for each other, and nobody
 * needs another cell's records or offers.
 * @module
 */
import { depthOf, edgeOf, yielded } from "./cells.ts";
import { isFinished } from "./chain.ts";
import { rankedBy } from "./scribe.ts";
import type { AveragedSets } from "../learner.ts";
import type { ChainState, Digest, Met, PeerId, RoundRecord, SyncRules } from "./types.ts";

/** Whether the record after this state, or after `ahead` more, may meet across this edge. */
export function isDue(
  { cell, met, round }: Pick<ChainState, "cell" | "met" | "round">,
  { edge, rules, ahead = 0 }: { readonly edge: number; readonly rules: SyncRules; readonly ahead?: number },
): boolean {
  const now = round + ahead;
  return now - met[edge]! >= rules.cellRounds * depthOf(cell) && now - Math.max(...met) >= rules.cellRounds;
}

const rankings = new WeakMap<ChainState, readonly PeerId[]>();

/**
 * Who may write the next meeting, in order: the same members round after round, so that they can prepare it. Computed once
 * for each state.
 */
export function meetingRanking(chain: ChainState): readonly PeerId[] {
  let ranked = rankings.get(chain);
  if (ranked === undefined) {
    const { roster, cell, met } = chain;
    rankings.set(chain, ranked = rankedBy(roster, { cell, met }));
  }
  return ranked;
}

/** How much both cells' weights count: as the parts of the run that they are, which is nothing that anybody claims. */
export function meetingSides(
  { cell }: RoundRecord,
  { met, own }: { readonly met: Met; readonly own: Digest },
): AveragedSets {
  return [[
    { weights: own, at: 0, share: 2 ** -depthOf(cell) },
    { weights: met.weights.digest, at: 0, share: 2 ** -depthOf(met.cell) },
  ]];
}

/** Why this may not be a meeting after `parent`, or null. */
export function whyNoMeeting(record: RoundRecord, parent: ChainState, rules: SyncRules): string | null {
  const { cell, met, round, counted, change, weights, bases, scribe, attempt } = record;
  if (met === null) return "it meets nobody";
  if (cell !== parent.cell) return `it is of cell '${cell}' after a state of cell '${parent.cell}'`;
  if (round !== parent.round + 1) return `its round is ${round} after round ${parent.round}`;
  if (isFinished(parent, rules)) return "the run had reached its target before";
  if (counted.length > 0) return `it is a meeting and counts ${counted.length} offers`;
  if (change !== null) return "it is a meeting and changes the members";
  if (weights.length !== 0 || bases.length !== 1) return "it does not name the state of its parent, and that alone";
  const edge = edgeOf(cell, met.cell);
  if (edge === null && yielded(parent, met.cell, rules) === null) {
    return `it meets cell '${met.cell}', which is beyond no edge of '${cell}'`;
  }
  if (edge !== null && !isDue(parent, { edge, rules })) {
    return `it meets across edge ${edge}, which was met in round ${parent.met[edge]}, after one in ${
      Math.max(...parent.met)
    }`;
  }
  const rank = meetingRanking(parent).indexOf(scribe);
  if (rank === -1) return `its scribe ${scribe} is no member`;
  return rank === attempt ? null : `${scribe} is not number ${attempt} in rank`;
}

/** The record of a meeting. */
export function buildMeeting(
  { chain, base }: { readonly chain: ChainState; readonly base: Digest },
  options: { readonly rules: SyncRules; readonly scribe: PeerId; readonly attempt: number; readonly met: Met },
): RoundRecord {
  const { rules: { run }, scribe, attempt, met } = options, { cell } = chain;
  const round = chain.round + 1, parents = [chain.head], bases = [base];
  return {
    kind: "record",
    run,
    round,
    parents,
    bases,
    weights: [],
    counted: [],
    scribe,
    attempt,
    change: null,
    cell,
    met,
  };
}
