/**
 * What users see of the history. When a head is adopted, in the order in which it matters: a reorganisation, a merge, the
 * round, who came and who went. And what is odd about a record or an offer, whoever is to blame.
 * @module
 */
import type { Screen } from "../learner.ts";
import type { Book } from "./book.ts";
import type { Context } from "./context.ts";
import type { MergedSide } from "./effects.ts";
import type { HistoryChange } from "./history_change.ts";
import { chainOf, type HeldOffer, type Link, type State } from "./link.ts";
import { digitsOf, isIn, partOf } from "./cells.ts";
import { hear } from "./hearsay.ts";
import { viewLineages } from "./lineage_view.ts";
import { leadingPlace } from "./demand.ts";
import { gain, type Side, type Sides } from "./merge.ts";
import { neighbourhood } from "./recent.ts";
import { ageOf, whyNotCountable } from "./record.ts";
import { isMember } from "./roster.ts";
import type { ChainState, Digest, Member, Offer, RoundRecord } from "./types.ts";

/** Offers of others named at once as not counted; a flood of them is one. */
const MOST_PASSED = 16;

export function reportAdoption(
  context: Context,
  book: Book,
  { from, to, change }: { readonly from: State | null; readonly to: State; readonly change: HistoryChange },
): void {
  const { report, options: { rules, self } } = context, { chain, base, link } = to;
  const depth = change.lostCount;
  if (from !== null && depth !== 0) {
    report({ kind: "reorganised", from: from.link.digest, to: link.digest, depth });
  }
  for (const merge of change.gained ?? []) {
    const sides = merge.parents.length > 1 ? book.ancestry.sidesOf(merge) : null;
    if (sides === null) continue;
    const ours = from === null ? null : nearer(book, from, sides);
    report({
      kind: "merged",
      round: merge.round,
      head: merge.digest,
      sides: sides.map((side) => mergedSide(side, side === ours)),
    });
  }

  for (const meeting of change.gained ?? []) {
    const { round, parents, record: { body: { met, cell } } } = meeting;
    if (met === null) continue;
    const link = book.links.get(parents[0]!), whole = link && chainOf(link);
    if (!whole) continue;
    const before = partOf(whole, cell, rules), tokens = (chainOf(meeting)?.tokens ?? before.tokens) - before.tokens;
    const { doubted } = hear(before, { met, round, rules });
    report({ kind: "met", round, cell, with: met.cell, tokens, doubted });
  }
  if (from !== null && from.chain.cell !== chain.cell) {
    const members = chain.roster.length;
    report({ kind: "cell", round: chain.round, before: from.chain.cell, cell: chain.cell, members });
  }

  const { counted, scribe } = link.record.body;
  const offers = (book.countedOffers(link) ?? []).map(({ signed }) => signed.body);
  const gained = offers.reduce((sum, { tokens }) => sum + tokens, 0);
  report({
    kind: "round",
    round: chain.round,
    head: link.digest,
    base,
    tokens: chain.tokens,
    gained,
    loss: gained === 0 ? null : offers.reduce((sum, { loss, tokens }) => sum + loss * tokens, 0) / gained,
    heldOut: offers.find(({ heldOut, parent }) => heldOut !== null && parent === link.parents[0])?.heldOut ?? null,
    counted: offers.map((offer, i) => ({ offer, age: counted[i]!.age })),
    roster: chain.roster.map(({ peer }) => peer),
    scribe,
    weights: to.weights.digest,
    roundMs: chain.roundMs,
    encoding: { codec: chain.encoding.codec, kept: chain.encoding.kept },
    lineages: viewLineages(chain, rules),
    leading: leadingPlace(chain),
    merged: chain.merged?.round === chain.round ? chain.merged : null,
  });

  if (from !== null) reportPassedOver(context, book, { from, to });

  const before = from?.chain.roster ?? [];
  for (const { peer, name, since } of chain.roster) {
    if (isMember(before, peer)) continue;
    // Whoever begins, or begins again, finds the others there, and may itself be a member of old.
    if (from === null && peer !== self && since < chain.round) continue;
    report({ kind: "joined", peer, name, round: from === null ? since : chain.round });
  }
  for (const member of before) {
    if (isMember(chain.roster, member.peer)) continue;
    report({
      kind: "left",
      peer: member.peer,
      name: member.name,
      reason: whyLeft(member, { chain, offers, silentRounds: rules.rosterRounds }),
      round: chain.round,
    });
  }
}

/** Names offers of others whose last chance to be counted has passed: whoever made them hears it only from this. */
function reportPassedOver(
  { report, options: { rules, self } }: Context,
  book: Book,
  { from, to }: { readonly from: State; readonly to: State },
): void {
  const { counted } = neighbourhood(to.chain), { records } = neighbourhood(from.chain), passed: HeldOffer[] = [];
  for (const held of book.offers.values()) {
    const { body } = held.signed;
    if (body.peer === self || body.blob === null || counted.has(held.digest)) continue;
    if (!records.has(body.parent)) continue; // another history's: a merge may bring it
    if (held.verdict?.valid === false) continue; // told when it was judged
    if (ageOf(body, from.chain) <= rules.lateRounds && ageOf(body, to.chain) > rules.lateRounds) passed.push(held);
  }
  for (const { digest, verdict, signed: { body } } of passed.slice(0, MOST_PASSED)) {
    const why = whyNotCountable(digest, body, { parent: from.chain, base: from.base, rules }) ??
      (verdict === null ? "its contribution was found with nobody" : "it did not reach their scribes in time");
    const { round, peer, tokens } = body, reason = `no record counted it within ${rules.lateRounds} rounds: ${why}`;
    report({ kind: "passed over", round, offer: digest, peer, tokens, reason });
  }
}

/** The side that lacks fewer of our records: we may have written one more while others merged. Null if neither does. */
function nearer(book: Book, { link }: State, sides: Sides): Side | null {
  const [one, other] = sides.map(({ chain }) => {
    const head = book.links.get(chain.head);
    return (head && book.ancestry.exclusive(link, head)?.length) ?? Infinity;
  });
  return one === other ? null : sides[one! < other! ? 0 : 1];
}

function mergedSide(side: Side, isOurs: boolean): MergedSide {
  const { head, roster } = side.chain;
  return {
    head,
    isOurs,
    records: side.own.length,
    tokens: gain(side, side.shared).tokens,
    names: roster.map(({ name }) => name),
  };
}

/** Law 3, seen from here: whoever trained on a record must have folded it to the state that we folded. */
export function reportMismatch(context: Context, book: Book, { parent, base, peer }: Offer): void {
  const { report, rulebook, options: { rules } } = context;
  const link = book.links.get(parent), chain = link && chainOf(link);
  if (chain && !isIn(chain.cell, peer, rules)) return;
  // Of a cell that is not ours we may have the whole state, of which its own members see a part each.
  if (chain && rulebook.viewOf(chain, digitsOf(rules, peer), rules).cell !== chain.cell) return;
  const mine = book.baseOf(parent);
  if (mine !== null && mine !== base) report({ kind: "mismatch", record: parent, peer, mine, theirs: base });
}

/** A scribe that wrote another record on the same parent misleads somebody, or its disk has lost the first one. */
export function reportEquivocation({ report }: Context, book: Book, { scribe, round, parents }: RoundRecord): void {
  const records = book.recordsBy(scribe, parents);
  if (records.length > 1) report({ kind: "equivocation", peer: scribe, round, records });
}

/** Names those whose work pulls against everybody else's. Only offers with a contribution were parts of the fold. */
export function reportScreen(
  { report }: Context,
  { record }: Link,
  { screen: { cosines, thresholds, dropped }, offers }: {
    readonly screen: Screen;
    readonly offers: readonly HeldOffer[];
  },
): void {
  const parts = offers.filter(({ signed }) => signed.body.blob !== null);
  for (const [i, { digest, signed: { body: { peer } } }] of parts.entries()) {
    const cosine = cosines[i] ?? null, threshold = thresholds[i] ?? 0;
    if (cosine === null || cosine >= threshold) continue;
    const { round } = record.body;
    report({ kind: "screened", round, offer: digest, peer, cosine, threshold, dropped: dropped.includes(i) });
  }
}

function whyLeft({ peer }: Member, { chain, offers, silentRounds }: {
  readonly chain: ChainState;
  readonly offers: readonly Offer[];
  readonly silentRounds: number;
}): string {
  if (offers.some((offer) => offer.peer === peer && offer.leaving)) return "it said goodbye";
  return `none of its offers was counted for ${silentRounds} rounds, up to round ${chain.round}`;
}
