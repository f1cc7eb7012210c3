/**
 * Adopting a head: the one place where a peer changes what it stands on, and all that changes with it.
 * @module
 */
import { isFinished } from "./chain.ts";
import { historyChange } from "./history_change.ts";
import type { State } from "./link.ts";
import type { Parts } from "./parts.ts";
import { publishOffer } from "./publishing.ts";
import { reportAdoption, reportMismatch } from "./report.ts";
import { longestMs } from "./scribe.ts";

/** Longest rounds that a record is given to become complete. */
const PATIENT_ROUNDS = 4;

/** Stands on this state from now on: trains on it, offers on it, and drops what is too old for it. */
export function adopt(parts: Parts, state: State): void {
  const { context, book, exchange, work, head: from } = parts, { rules } = context.options;
  const { link, chain, base, weights } = state;
  if (from === null) exchange.forgetQuestions();
  const change = historyChange(book, { from, to: state, rules });
  parts.head = state;
  parts.membership.learn(context, chain.members);
  context.emit({ kind: "adopted", chain, weights: weights.digest });
  reportAdoption(context, book, { from, to: state, change });
  for (const { signed: { body } } of book.offers.on(link.digest)) reportMismatch(context, book, body);
  if (isFinished(chain, rules)) context.report({ kind: "finished", tokens: chain.tokens });

  work.offers.review(context, chain, change);
  const first = work.onHead(context, { chain, base }, weights.digest);
  if (first !== null) publishOffer(parts, first);
  parts.scribing.open(context, chain);
  exchange.prune(new Set(chain.roster.map(({ peer }) => peer)));
  const patienceMs = PATIENT_ROUNDS * longestMs(chain.roundMs);
  const blobs = book.prune(state, { nowMs: context.now, patienceMs, rival: parts.merging.rival });
  if (blobs.length > 0) context.emit({ kind: "forget", blobs });
}
