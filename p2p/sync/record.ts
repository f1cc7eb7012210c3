/**
 * What makes a record valid, and so what a scribe may count. Facts of the chain only: every peer judges alike.
 *
 * A valid record may still be one that this peer cannot adopt: its blobs must be found and judged as well.
 * @module
 */
import { isIn } from "./cells.ts";
import { isFinished } from "./chain.ts";
import { whyNotBelievable } from "./claims.ts";
import { membersAfter, whyNoChange, whyNotAllowed } from "./members.ts";
import { lineageOf } from "./lineages.ts";
import { neighbourhood } from "./recent.ts";
import { isMember } from "./roster.ts";
import { attemptOf } from "./scribe.ts";
import type { ChainState, Change, Counted, Digest, Offer, PeerId, RoundRecord, Signed, SyncRules } from "./types.ts";

/** Most offers in one record: it must fit an announcement. */
export const MOST_COUNTED = 256;

/**
 * Records that an offer is late for the one after `parent`: how many steps back its own parent is, 0 if that is the
 * head. If it is none of the records just behind the head, then by its round, and at least 1: it was made on the losing
 * side of a fork, or long ago.
 */
export function ageOf(offer: Offer, parent: ChainState): number {
  const near = neighbourhood(parent).records.get(offer.parent);
  return near?.distance ?? Math.max(1, parent.round + 1 - offer.round);
}

/** What a record is judged in. */
export interface RecordContext {
  readonly parent: ChainState;
  /** State digest of `parent`. */
  readonly base: Digest;
  readonly rules: SyncRules;
  /** The change of members that the record carries; null or absent: none. */
  readonly change?: Signed<Change> | null;
}

/** Why the record after `parent` cannot count this offer, or null. */
export function whyNotCountable(digest: Digest, offer: Offer, context: RecordContext): string | null {
  const { parent, base, rules, change = null } = context;
  const { records, counted, blobs } = neighbourhood(parent);
  const near = records.get(offer.parent);
  if (near !== undefined && offer.round !== near.round + 1) {
    return `its round is ${offer.round}, that of the record it was trained on ${near.round}`;
  }
  const late = near?.distance ?? parent.round + 1 - offer.round;
  if (late > rules.lateRounds) return `it came ${late} rounds late, ${rules.lateRounds} is the most`;
  // Else a laggard could count everybody's later work in one record and outweigh their history with it.
  if (late < 0) return `it is ${-late} rounds ahead`;
  if (counted.has(digest)) return "it was counted before"; // law 2
  const wanted = near?.distance === 0 ? base : near?.base ?? null;
  if (wanted !== null && offer.base !== wanted) return `it was trained on state ${offer.base}, not ${wanted}`; // law 3
  const own = lineageOf(parent, offer.peer).id;
  if (offer.blob !== null && near?.distance === 0 && isMember(parent.roster, offer.peer) && offer.lineage !== own) {
    return `it is of lineage ${offer.lineage}, and its author trains ${own}`;
  }
  if (offer.blob !== null && blobs.has(offer.blob.digest)) {
    return "it is copied: its contribution was counted before, in another offer";
  }
  if (!isIn(parent.cell, offer.peer, rules)) return `its author ${offer.peer} is not in cell '${parent.cell}'`;
  return whyNotAllowed(offer.peer, membersAfter(parent, change), rules) ?? whyNotBelievable(offer, parent, rules);
}

/** The order of counted offers in a record and of contributions in a fold. */
function compareCounted(a: Counted, b: Counted): number {
  if (a.peer !== b.peer) return a.peer < b.peer ? -1 : 1;
  if (a.age !== b.age) return a.age - b.age;
  return a.offer < b.offer ? -1 : a.offer > b.offer ? 1 : 0;
}

/** Why this record may not follow `parent`, or null. `offers` are those it counts, in its order. */
export function whyInvalid(
  record: RoundRecord,
  offers: readonly Offer[],
  context: { readonly parent: ChainState; readonly rules: SyncRules },
): string | null {
  const { parent, rules } = context;
  const { counted, scribe, change, bases: [base] } = record;
  if (base === undefined || record.bases.length !== 1 || record.weights.length !== 0) {
    return "it does not name the state of its parent, and that alone";
  }
  if (record.met !== null) return "it counts offers and is a meeting";
  if (isFinished(parent, rules)) return "the run had reached its target before";
  if (record.round !== parent.round + 1) return `its round is ${record.round} after round ${parent.round}`;
  if (counted.length === 0 || counted.length > MOST_COUNTED) return `it counts ${counted.length} offers`;
  const noMember = whyNoChange(record, parent, rules) ?? whyNotAllowed(scribe, membersAfter(parent, change), rules);
  if (noMember !== null) return noMember;
  const authors = new Set<string>(), blobs = new Set<Digest>();
  for (const [i, entry] of counted.entries()) {
    const offer = offers[i]!;
    if (i > 0 && compareCounted(counted[i - 1]!, entry) >= 0) return "its offers are not in order"; // laws 2 and 3
    if (entry.peer !== offer.peer || entry.age !== ageOf(offer, parent)) return `it misstates offer ${entry.offer}`;
    const reason = whyNotCountable(entry.offer, offer, { ...context, base, change });
    if (reason !== null) return `it counts offer ${entry.offer} although ${reason}`;
    if (authors.has(slotOf(offer))) return `it counts two offers of ${offer.peer} on one parent`;
    if (offer.blob !== null && blobs.has(offer.blob.digest)) {
      return `it counts offer ${entry.offer} of ${offer.peer} although it is copied from another that it counts`;
    }
    authors.add(slotOf(offer));
    if (offer.blob !== null) blobs.add(offer.blob.digest);
  }
  if (record.attempt !== attemptOf(parent, scribe)) return `${scribe} is not number ${record.attempt} in rank`;
  if (record.attempt >= parent.roster.length && !counted.some(({ peer }) => peer === scribe)) {
    return `its scribe ${scribe} is neither a member nor counted in it`;
  }
  return null;
}

/**
 * The offers that a scribe counts, sorted; at most one for each author and parent, and not more than fit. Of those with one
 * contribution it takes that for the earliest round, and of these the first in the order given: whoever copies has seen
 * the original.
 */
export function selectCounted(
  offers: Iterable<readonly [Digest, Offer]>,
  context: RecordContext,
): readonly Counted[] {
  const possible = [...offers].filter(([digest, offer]) => whyNotCountable(digest, offer, context) === null);
  const countable = possible.filter(isOriginalIn(possible))
    .map(([digest, offer]) => ({
      entry: { offer: digest, peer: offer.peer, age: ageOf(offer, context.parent) },
      slot: slotOf(offer),
    }))
    .sort((a, b) => compareCounted(a.entry, b.entry));
  const taken: Counted[] = [];
  const authors = new Set<string>();
  for (const { entry, slot } of countable) {
    if (authors.has(slot) || taken.length === MOST_COUNTED) continue;
    authors.add(slot);
    taken.push(entry);
  }
  return taken;
}

/** Whether no other of these offers brings the same contribution for an earlier round, or before it for the same. */
function isOriginalIn(offers: readonly (readonly [Digest, Offer])[]): (entry: readonly [Digest, Offer]) => boolean {
  const originals = new Map<Digest, Offer>();
  for (const [, offer] of offers) {
    const known = offer.blob && originals.get(offer.blob.digest);
    if (offer.blob !== null && (!known || offer.round < known.round)) originals.set(offer.blob.digest, offer);
  }
  return ([, offer]) => offer.blob === null || originals.get(offer.blob.digest) === offer;
}

export function isChange(signed: Signed<Offer> | Signed<RoundRecord> | Signed<Change>): signed is Signed<Change> {
  return signed.body.kind === "change";
}

export function isRecord(signed: Signed<Offer> | Signed<RoundRecord> | Signed<Change>): signed is Signed<RoundRecord> {
  return signed.body.kind === "record";
}

/** The record that counts these offers and follows the state that `base` is the digest of. */
export function buildRecord({ chain, base }: { readonly chain: ChainState; readonly base: Digest }, options: {
  readonly rules: SyncRules;
  readonly counted: readonly Counted[];
  readonly scribe: PeerId;
  readonly attempt: number;
  readonly change: Signed<Change> | null;
}): RoundRecord {
  const { rules: { run }, counted, scribe, attempt, change } = options, { cell } = chain;
  const round = chain.round + 1, parents = [chain.head], bases = [base];
  return { kind: "record", run, round, parents, bases, weights: [], counted, scribe, attempt, change, cell, met: null };
}

/** A peer has one offer on each parent, and a last one when it leaves. */
function slotOf({ peer, parent, leaving }: Offer): string {
  return `${peer} ${parent} ${leaving}`;
}
