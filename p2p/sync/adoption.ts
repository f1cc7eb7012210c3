/**
 * Adopting a head: the one place where a peer changes what it stands on, and all that changes with it.
 * @module
 */
import { isIn } from "./cells.ts";
import { isFinished } from "./chain.ts";
import { historyChange } from "./history_change.ts";
import type { HeldOffer, State } from "./link.ts";
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
  if (from === null) exchange.begin(context.now);
  const change = historyChange(book, { from, to: state, rules });
  parts.head = state;
  parts.membership.learn(context, chain.members);
  context.emit({ kind: "adopted", chain, weights: weights.digest });
  reportAdoption(context, book, { from, to: state, change });
  for (const { signed: { body } } of book.offers.on(link.digest)) reportMismatch(context, book, body);
  if (isFinished(chain, rules)) context.report({ kind: "finished", tokens: chain.tokens });

  work.offers.review(context, chain, change);
  // First of all the book learns which rounds matter now: those of a heavier history may be long before ours.
  const patienceMs = PATIENT_ROUNDS * longestMs(chain.roundMs);
  const blobs = book.prune(state, { nowMs: context.now, patienceMs, rival: parts.merging.rival });
  if (blobs.length > 0) context.emit({ kind: "forget", blobs });
  const first = work.onHead(context, { chain, base }, weights.digest);
  if (first !== null) publishOffer(parts, first);
  parts.scribing.open(context, chain);
  parts.meeting.open(context, state, book);
  exchange.enter((peer) => isIn(chain.cell, peer, rules));
  exchange.prune(new Set(chain.roster.map(({ peer }) => peer)));
}

/** A contribution is none: so no record that counts it holds, nor what follows it. */
export function refute(parts: Parts, held: HeldOffer, reason: string): void {
  parts.reject("offer", held.signed.body.peer, reason);
  const refuted = parts.book.refute(held);
  for (const { link: { record: { body } }, fault } of refuted) parts.reject(`record ${body.round}`, body.scribe, fault);
  // Else a restart would take it for good again, when perhaps nobody gives the contribution any more.
  if (refuted.some(({ link }) => link.journaled)) {
    parts.context.emit({ kind: "journal", entry: { kind: "refuted", offer: held.signed, reason } });
  }
  if (parts.head?.link.stage.kind === "invalid") giveUp(parts, parts.head);
}

/** What this peer took on the word of others is wrong: it goes on from what is left, or asks as if it were new. */
function giveUp(parts: Parts, { chain }: State): void {
  const { context, book, exchange, folding, fetching, scribing, merging, meeting, work } = parts,
    left = book.heaviestLeft();
  for (const part of [folding, fetching, scribing, merging, meeting]) part.close();
  context.report({ kind: "waiting", reason: `round ${chain.round} follows an invalid record` });
  parts.head = null;
  if (left !== null) return adopt(parts, left);
  work.onNoHead(context);
  exchange.askState(context);
}
