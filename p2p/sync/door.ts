/**
 * What another peer sends, before anything is done with it: is it of this run, well formed, and signed by whom it names?
 *
 * Signatures of what a message carries inside count as well: a record's change of members is the owner's word or none.
 * @module
 */
import { type Book, historyRounds } from "./book.ts";
import { chainOf } from "./link.ts";
import { genesisState } from "./chain.ts";
import { whyNotBelievable } from "./claims.ts";
import type { Context } from "./context.ts";
import { bodyDigest, chainDigest, stateDigest } from "./digest.ts";
import { membersAfter, whyForgedChange, whyNotAllowed } from "./members.ts";
import { whyMalformed } from "./offer.ts";
import { whyImpossible } from "./possible_state.ts";
import { neighbourhood } from "./recent.ts";
import type { Witnesses } from "./witnesses.ts";
import type { ChainState, Change, Offer, PeerId, RoundRecord, Signed, StateAt } from "./types.ts";

/** Why an offer is dropped, or null. */
export function whyNoOffer(context: Context, signed: Signed<Offer>): string | null {
  const { run, peer } = signed.body, { rules } = context.options;
  if (run !== rules.run) return `it belongs to run ${run}`;
  // The signature first: what is wrong with the rest is its author's doing only if the author wrote it.
  return whyForged(context, signed, peer) ?? whyMalformed(signed.body, rules);
}

/** Why a record is dropped, or null. */
export function whyNoRecord(context: Context, signed: Signed<RoundRecord>): string | null {
  const { body } = signed;
  if (body.run !== context.options.rules.run) return `it belongs to run ${body.run}`;
  if (body.parents.length < 1) return "it has no parent";
  return whyForged(context, signed, body.scribe) ?? whyNoList(context, body.change);
}

/** Why an answer is no state of any cell, or null. That it is the *right* state only others can confirm. */
export function whyImpossibleState(context: Context, { record, chain }: StateAt): string | null {
  const { rules } = context.options, digest = bodyDigest(record.body);
  if (chain.head !== digest) return "its chain state does not belong to its record";
  if (chain.round !== record.body.round) return `its round is ${chain.round}, its record's ${record.body.round}`;
  const impossible = whyImpossible(chain, rules);
  if (impossible !== null) return `no history leads to it: ${impossible}`;
  const reason = whyNoList(context, record.body.change) ?? whyNoList(context, chain.members);
  if (reason !== null || digest === genesisState(rules).head) return reason;
  return whyForged(context, record, record.body.scribe);
}

/** The same, and what we know ourselves: the record and what it gives, and what others say of it (`joining.ts`). */
export function whyNoState(
  context: Context,
  state: StateAt,
  { book, witnesses }: { readonly book: Book; readonly witnesses: Witnesses },
): string | null {
  const impossible = whyImpossibleState(context, state);
  if (impossible !== null) return impossible;
  const { chain, weights } = state, digest = chain.head;
  const link = book.links.get(digest), known = link && chainOf(link);
  if (known && chainDigest(known) !== chainDigest(chain)) return "its chain state is not what its records give";
  const { confirm, contradict } = witnesses.count(digest, stateDigest(chain, weights.digest), chain);
  if (contradict > confirm) {
    return `of those who spoke of its record ${contradict} name another state, ${confirm} this one`;
  }
  return null;
}

function whyNoList({ options }: Context, change: ChainState["members"]): string | null {
  const reason = change === null ? null : whyForgedChange(change, options);
  return reason === null ? null : `its change of members is refused: ${reason}`;
}

function whyForged({ options }: Context, { body, signature }: Signed<Offer | RoundRecord | Change>, author: PeerId) {
  return options.verify(bodyDigest(body), signature, author) ? null : "its signature is not its author's";
}

export interface DoubtContext {
  /** The state we are at. */
  readonly chain: ChainState;
  /** The change of members that the next record carries. */
  readonly change: Signed<Change> | null;
}

/** Why no record will count an offer that was just announced: if it is stale that is nobody's fault, else its author's. */
export function whyDoubted(
  { options: { rules } }: Context,
  offer: Offer,
  { chain, change }: DoubtContext,
): { readonly reason: string | null; readonly isStale: boolean } {
  const near = neighbourhood(chain);
  if (near.counted.has(bodyDigest(offer))) return { reason: null, isStale: false }; // it was good enough before
  // A record just behind the head may be of far fewer rounds: that of the shorter side of a merge.
  if (!near.records.has(offer.parent) && offer.round < chain.round + 1 - historyRounds(rules)) {
    return { reason: `it is stale: it is for round ${offer.round}, too long ago to matter`, isStale: true };
  }
  const reason = whyNotAllowed(offer.peer, membersAfter(chain, change), rules) ??
    (near.records.has(offer.parent) ? whyNotBelievable(offer, chain, rules) : null); // else another side may know better
  return { reason, isStale: false };
}
