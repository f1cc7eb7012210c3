/**
 * What follows from what is known, in one fixed order until nothing changes: complete links, fold towards the heaviest
 * history, adopt, merge, cut the box, close the round, beat.
 * @module
 */
import { adopt } from "./adoption.ts";
import { isFinished } from "./chain.ts";
import type { Candidate, Choice } from "./joining.ts";
import type { State } from "./link.ts";
import type { Parts } from "./parts.ts";
import { isHeldBack, publishRecord } from "./publishing.ts";
import { ageOf, buildRecord } from "./record.ts";
import type { Digest } from "./types.ts";
import { vouching } from "./vouching.ts";

/** Beats for which the records that lead to a state are waited for. */
const PROOF_BEATS = 8;

/** Draws all conclusions but those of a beat. Each adoption is strictly heavier than the one before, so this ends (law 1). */
export function conclude(parts: Parts): void {
  parts.resolve();
  do {
    parts.joining.run(parts.context, choiceOf(parts));
    const ground = parts.head ?? parts.recovery.ground;
    if (ground !== null) towardsHeavier(parts, ground);
  } while (recover(parts) || adoptHeaviest(parts) || merge(parts) || meet(parts) || act(parts));
}

/** Everything that repairs losses, once a beat. */
export function repairLosses(parts: Parts): void {
  const { context, book, exchange, head } = parts;
  exchange.reportCompany(context);
  if (head === null) return exchange.askState(context);
  const pending = parts.work.offers.pending().filter((offer) => !isHeldBack(parts, offer));
  exchange.speak(context, parts.ownBeat(head), { head, pending });
  exchange.repair(context, { book, head });
}

function choiceOf(parts: Parts): Choice {
  const { book, exchange, fetching, head, beatMs } = parts;
  return vouching(book, exchange, {
    isWorth: ({ chain }: Candidate) => parts.isWorth(chain),
    isMissed: (offer: Digest) => fetching.isMissed(offer),
    isNeedy: head === null,
    patienceMs: PROOF_BEATS * beatMs,
  });
}

function towardsHeavier(parts: Parts, head: State): void {
  const { context, book, folding, fetching, loading, meeting, exchange, recheck } = parts;
  const { lateRounds } = context.options.rules;
  folding.run(context, { book, head, loading, meeting, exchange });
  fetching.run(context, book, {
    urgent: folding.urgent,
    mayCount: (offer) => ageOf(offer, head.chain) <= lateRounds,
    isRechecked: (offer) => recheck.wants(offer),
    exchange,
  });
}

/** Goes on from what could be made of a damaged disk; whether a head was adopted. */
function recover(parts: Parts): boolean {
  const state = parts.recovery.run(parts.context, parts);
  if (state !== null) adopt(parts, state);
  return state !== null;
}

function adoptHeaviest(parts: Parts): boolean {
  const { context, head, book, exchange } = parts;
  if (head === null) return false;
  parts.meeting.isInDoubt = false;
  const best = book.heaviestFolded(head, (state) => parts.meeting.doubts(context, state, exchange));
  if (best === head) return false;
  adopt(parts, best);
  return true;
}

/** Makes one history of two, if it is time; whether a record was written. */
function merge(parts: Parts): boolean {
  const { context, book, head, exchange, loading, folding: { hopeUntilMs } } = parts;
  if (head === null) return false;
  const toWrite = parts.merging.decide(context, { book, head, exchange, loading, hopeUntilMs });
  return toWrite !== null && publishRecord(parts, toWrite);
}

/** Meets another cell, if it is time; whether a record was written. */
function meet(parts: Parts): boolean {
  const { context, book, head, exchange, loading, folding: { hopeUntilMs } } = parts;
  if (head === null || isFinished(head.chain, context.options.rules)) return false;
  const toWrite = parts.meeting.decide(context, { book, head, exchange, loading, hopeUntilMs });
  return toWrite !== null && publishRecord(parts, toWrite);
}

/** Cuts the box and closes the round, as far as it is time; whether a record was written. */
function act(parts: Parts): boolean {
  const { context, book, head, exchange, work, isFounder, folding: { hopeUntilMs } } = parts;
  const { rules, self: scribe } = context.options;
  if (head === null || isFinished(head.chain, rules)) return false;
  work.run(context, head);
  const change = parts.membership.changeAfter(head.chain), { boxEndsAtMs } = work;
  const toWrite = parts.scribing.decide(context, {
    book,
    head,
    exchange,
    hopeUntilMs,
    isMissed: (offer) => parts.fetching.isMissed(offer),
    isFounder,
    change,
    boxEndsAtMs,
  });
  if (toWrite === null) return false;
  const { reason, ...choices } = toWrite;
  if (publishRecord(parts, { record: buildRecord(head, { rules, scribe, ...choices }), reason })) return true;
  work.beginAgain(context, head.chain);
  return false;
}
