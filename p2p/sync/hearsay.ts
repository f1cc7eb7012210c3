/**
 * How much a cell believes of what another says is trained.
 *
 * Nobody in it saw the records behind that, and a cell of liars can say anything: that the whole corpus is trained, so
 * that a run with a target ends and every ledger grows. So a meeting tells at most what the run can have trained since
 * the one before, by what is usual in the cell that hears it: who is in which cell is chance, so others are not much
 * faster. What is beyond that, the highest windows, is told again by the next meeting, and believed then if there was
 * time for it. Facts of the chain and of the record only.
 * @module
 */
import { depthOf } from "./cells.ts";
import { ownedIn } from "./classes.ts";
import { trainedIn } from "./ledger.ts";
import { firstWindows, type Ranges, subtract, windowCount } from "./ranges.ts";
import type { ChainState, Met, SyncRules } from "./types.ts";

/** A cell of as many members as it may have, of which each offers so many times what is usual here. */
const SURPLUS = 4;

export interface Heard {
  /** Windows that become known: none of the own class, where the own account alone counts. */
  readonly believed: Ranges;
  /** Windows that the other cell cannot have known to be trained. */
  readonly doubted: number;
}

/** What a meeting in this round tells those who stood on `chain`. */
export function hear(
  chain: Pick<ChainState, "cell" | "met" | "usual" | "ledger">,
  { met, round, rules }: { readonly met: Met; readonly round: number; readonly rules: SyncRules },
): Heard {
  const { known } = met, news = subtract(subtract(known, ownedIn(known, chain.cell)), trainedIn(chain.ledger));
  const believed = firstWindows(news, mostTrained(chain, { round, rules }));
  return { believed, doubted: windowCount(news) - windowCount(believed) };
}

/** Windows that all cells together can have trained since this one last met any. */
function mostTrained(
  { cell, met, usual }: Pick<ChainState, "cell" | "met" | "usual">,
  { round, rules }: { readonly round: number; readonly rules: SyncRules },
): number {
  const perOffer = Math.max(1, Math.ceil(usual / rules.contextLength));
  return (round - Math.max(...met)) * 2 ** depthOf(cell) * rules.cellSize * SURPLUS * perOffer;
}
