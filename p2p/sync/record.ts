/**
 * What makes a record valid, and so what a scribe may count. Facts of the chain only: every peer judges alike.
 *
 * A valid record may still be one that this peer cannot adopt: its blobs must be found and judged as well.
 * @module
 */
import { isFinished } from "./chain.ts";
import { neighbourhood } from "./recent.ts";
import { attemptOf } from "./scribe.ts";
import type { ChainState, Counted, Digest, Offer, PeerId, RoundRecord, Signed, SyncRules } from "./types.ts";

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

/** Why the record after `parent` cannot count this offer, or null. `base` is the state digest of `parent`. */
export function whyNotCountable(
  digest: Digest,
  offer: Offer,
  { parent, base, rules }: { readonly parent: ChainState; readonly base: Digest; readonly rules: SyncRules },
): string | null {
  const { records, counted } = neighbourhood(parent);
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
  return null;
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
  const { counted, scribe, bases: [base] } = record;
  if (base === undefined || record.bases.length !== 1 || record.weights.length !== 0) {
    return "it does not name the state of its parent, and that alone";
  }
  if (isFinished(parent, rules)) return "the run had reached its target before";
  if (record.round !== parent.round + 1) return `its round is ${record.round} after round ${parent.round}`;
  if (counted.length === 0 || counted.length > MOST_COUNTED) return `it counts ${counted.length} offers`;
  const authors = new Set<string>();
  for (const [i, entry] of counted.entries()) {
    const offer = offers[i]!;
    if (i > 0 && compareCounted(counted[i - 1]!, entry) >= 0) return "its offers are not in order"; // laws 2 and 3
    if (entry.peer !== offer.peer || entry.age !== ageOf(offer, parent)) return `it misstates offer ${entry.offer}`;
    const reason = whyNotCountable(entry.offer, offer, { ...context, base });
    if (reason !== null) return `it counts offer ${entry.offer} although ${reason}`;
    if (authors.has(slotOf(offer))) return `it counts two offers of ${offer.peer} on one parent`;
    authors.add(slotOf(offer));
  }
  if (record.attempt !== attemptOf(parent, scribe)) return `${scribe} is not number ${record.attempt} in rank`;
  if (record.attempt >= parent.roster.length && !counted.some(({ peer }) => peer === scribe)) {
    return `its scribe ${scribe} is neither a member nor counted in it`;
  }
  return null;
}

/** The offers that a scribe counts, sorted; at most one for each author and parent, and not more than fit. */
export function selectCounted(
  offers: Iterable<readonly [Digest, Offer]>,
  context: { readonly parent: ChainState; readonly base: Digest; readonly rules: SyncRules },
): readonly Counted[] {
  const countable = [...offers]
    .filter(([digest, offer]) => whyNotCountable(digest, offer, context) === null)
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

export function isRecord(signed: Signed<Offer> | Signed<RoundRecord>): signed is Signed<RoundRecord> {
  return signed.body.kind === "record";
}

/** The record that counts these offers and follows the state that `base` is the digest of. */
export function buildRecord({ chain, base }: { readonly chain: ChainState; readonly base: Digest }, options: {
  readonly rules: SyncRules;
  readonly counted: readonly Counted[];
  readonly scribe: PeerId;
  readonly attempt: number;
}): RoundRecord {
  const { rules, counted, scribe, attempt } = options;
  const round = chain.round + 1;
  const parents = [chain.head], bases = [base];
  return { kind: "record", run: rules.run, round, parents, bases, weights: [], counted, scribe, attempt };
}

/** A peer has one offer on each parent, and a last one when it leaves. */
function slotOf({ peer, parent, leaving }: Offer): string {
  return `${peer} ${parent} ${leaving}`;
}
