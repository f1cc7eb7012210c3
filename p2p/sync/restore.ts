/**
 * What a peer knew before it stopped, from its journal (law 6): offers before records before states, because a record
 * cannot be completed without the offers it counts.
 * @module
 */
import { ARCHIVE_ROUNDS, type Book, historyRounds } from "./book.ts";
import { bodyDigest } from "./digest.ts";
import type { JournalEntry } from "./effects.ts";
import { isHeavier } from "./fork.ts";
import type { Joining } from "./joining.ts";
import type { Membership } from "./members.ts";
import type { OwnKey } from "./own_key.ts";
import type { OwnOffers } from "./own_offers.ts";
import { MOST_STATES, type Saved } from "./recovery.ts";
import type { PeerId, SyncRules } from "./types.ts";

export interface RestoreOptions {
  readonly book: Book;
  readonly own: OwnOffers;
  readonly key: OwnKey;
  readonly joining: Joining;
  readonly membership: Membership;
  readonly self: PeerId;
  readonly rules: SyncRules;
  readonly nowMs: number;
}

/** Fills the parts of a new core; returns what the journal says that there was, or null if there was no history yet. */
export function restore(journal: readonly JournalEntry[], options: RestoreOptions): Saved | null {
  const { book, own, key, joining, membership, self, rules, nowMs } = options;
  const states = journal.filter((entry) => entry.kind === "state").sort((a, b) => isHeavier(a.chain, b.chain) ? -1 : 1);
  const lastRound = states[0]?.chain.round ?? 0, archiveRound = lastRound - ARCHIVE_ROUNDS;
  const near = new Set(states[0]?.chain.recent.map(({ record }) => record));
  book.offers.prune({
    historyRound: lastRound - historyRounds(rules),
    archiveRound: archiveRound - rules.lateRounds,
    isNear: (record) => near.has(record),
    isStranger: () => false,
    countableRound: lastRound,
  });
  for (const entry of journal) if (entry.kind === "change") membership.restore(entry.change);
  for (const entry of journal) {
    if (entry.kind === "offer" && entry.offer.body.peer === self) key.restored(bodyDigest(entry.offer.body));
    if (entry.kind !== "offer" || entry.offer.body.round < archiveRound - rules.lateRounds) continue;
    const { offer } = entry, digest = bodyDigest(offer.body), isOwn = offer.body.peer === self;
    // Our own too: whether its contribution is still on this disk is to be seen before anybody counts it here.
    book.offers.add(digest, offer, { nowMs, own: false, journaled: true });
    if (isOwn) own.add(digest, offer, { isTold: offer.body.round <= lastRound - historyRounds(rules) });
  }
  const known = new Map(states.map((state) => [state.chain.head, state]));
  for (const entry of journal) {
    if (entry.kind !== "record" && entry.kind !== "state" || entry.record.body.round < archiveRound) continue;
    const digest = bodyDigest(entry.record.body), state = known.get(digest);
    if (state === undefined) {
      // Of a side that was merged in, or written in vain: its state follows from its parents'.
      book.addRecord(digest, entry.record, { nowMs, journaled: true });
      book.resolve(nowMs);
    } else if (state.chain.round > lastRound - rules.lateRounds - 1) {
      book.addState(state.record, state).link.journaled = true;
    } else book.addPast(state.record, state.chain);
  }
  for (const entry of journal) {
    const held = entry.kind === "refuted" ? book.offers.find(bodyDigest(entry.offer.body)) : undefined;
    if (entry.kind !== "refuted" || held === undefined) continue;
    book.offers.judge(held, { valid: false, reason: entry.reason });
    book.refute(held);
  }
  for (const { record, chain, weights } of states.slice(0, MOST_STATES)) {
    joining.add({ record, chain, weights, from: [] }, nowMs);
  }
  return savedIn(journal, { states: states.length, self, rules });
}

/** An offer for round 2 is made on the state of round 1, also if that was not written down, or is damaged. */
function savedIn(
  journal: readonly JournalEntry[],
  { states, self, rules }: { readonly states: number; readonly self: PeerId; readonly rules: SyncRules },
): Saved | null {
  const offers = journal.flatMap((entry) => entry.kind === "offer" ? [entry.offer.body] : []);
  let round = 0;
  for (const entry of journal) if (entry.kind === "state") round = Math.max(round, entry.chain.round);
  for (const offer of offers) round = Math.max(round, offer.round - 1);
  if (round === 0) return null;
  const late = offers.filter((offer) => offer.peer !== self && offer.round > round - rules.rosterRounds);
  return { states, round, others: [...new Set(late.map(({ name }) => name))].sort() };
}
