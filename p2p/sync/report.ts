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
import type { HeldOffer, Link, State } from "./link.ts";
import { gain, type Side } from "./merge.ts";
import { isMember } from "./roster.ts";
import type { ChainState, Member, Offer, RoundRecord } from "./types.ts";

export function reportAdoption(
  { report, options: { rules } }: Context,
  book: Book,
  { from, to, change }: { readonly from: State | null; readonly to: State; readonly change: HistoryChange },
): void {
  const { chain, base, link } = to;
  const depth = change.lostCount;
  if (from !== null && depth !== 0) {
    report({ kind: "reorganised", from: from.link.digest, to: link.digest, depth });
  }
  for (const merge of change.gained ?? []) {
    const sides = merge.parents.length > 1 ? book.lineage.sidesOf(merge) : null;
    if (sides === null) continue;
    report({ kind: "merged", round: merge.round, head: merge.digest, sides: sides.map(mergedSide) });
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
  });

  const before = from?.chain.roster ?? [];
  for (const { peer, name } of chain.roster) {
    if (!isMember(before, peer)) report({ kind: "joined", peer, name, round: chain.round });
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

function mergedSide(side: Side): MergedSide {
  const { head, roster } = side.chain;
  return {
    head,
    records: side.own.length,
    tokens: gain(side, side.shared).tokens,
    names: roster.map(({ name }) => name),
  };
}

/** Law 3, seen from here: whoever trained on a record must have folded it to the state that we folded. */
export function reportMismatch({ report }: Context, book: Book, { parent, base, peer }: Offer): void {
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
  { screen: { cosines, threshold, dropped }, offers }: {
    readonly screen: Screen;
    readonly offers: readonly HeldOffer[];
  },
): void {
  const parts = offers.filter(({ signed }) => signed.body.blob !== null);
  for (const [i, { digest, signed: { body: { peer } } }] of parts.entries()) {
    const cosine = cosines[i] ?? null;
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
