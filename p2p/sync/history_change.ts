/**
 * What adopting a head changes in the history of a peer: which records came and went, and with them counted offers.
 *
 * Where both heads are known back to where they parted, this is exact. After a restart, or when a state was taken whole
 * from elsewhere, everything that is known of the new history is compared instead.
 * @module
 */
import { ARCHIVE_ROUNDS, type Book } from "./book.ts";
import { chainOf, type Link, type State } from "./link.ts";
import type { Digest, SyncRules } from "./types.ts";

/** The record of a history that counts an offer. */
export interface Counting {
  readonly round: number;
  readonly age: number;
  /** By a side that was merged in: another history than the one this peer followed. */
  readonly isMerged: boolean;
}

export interface HistoryChange {
  /** Records that the new history has and the one before had not; null if that is not known. */
  readonly gained: readonly Link[] | null;
  /** Records of this peer's that were given up; null if that is not known. */
  readonly lostCount: number | null;
  readonly counted: ReadonlyMap<Digest, Counting>;
  /** Whether an offer that a record of this round counted is counted no more. */
  uncounted(offer: Digest, countedIn: number): boolean;
  /** First round whose record is known: what an older one counted is not. */
  readonly sinceRound: number;
  /** Whether the new history is known to share its older records with the one before. */
  readonly continues: boolean;
  /** Nothing can change the fate of older offers. */
  readonly forgetRound: number;
}

export function historyChange(
  book: Book,
  { from, to, rules }: { readonly from: State | null; readonly to: State; readonly rules: SyncRules },
): HistoryChange {
  const gained = from && book.ancestry.exclusive(to.link, from.link),
    lost = from && book.ancestry.exclusive(from.link, to.link);
  const known = { gained, lostCount: lost?.length ?? null, continues: from === null || lost !== null };
  const forgetRound = to.chain.round - ARCHIVE_ROUNDS;
  const gone = lost && new Set(lost.flatMap(({ record }) => record.body.counted.map(({ offer }) => offer)));
  if (from !== null && gained !== null && gone !== null) {
    // Two sides of an older fork may each have counted an offer: then one record given up is not the only one.
    const kept = gone.size === 0 ? [] : book.ancestry.of(to.link).filter((link) => chainOf(link) !== null);
    const still = [...countings(kept, () => false)].filter(([offer]) => gone.has(offer));
    const counted = new Map([...still, ...countings(gained, mergedBy(book, gained, from))]);
    return { ...known, counted, uncounted: (offer) => gone.has(offer), sinceRound: -Infinity, forgetRound };
  }
  const all = book.ancestry.of(to.link).filter((link) => chainOf(link) !== null);
  const counted = new Map(countings(all, () => false));
  // Where the known records end, the state says what the last ones before it counted.
  const cut = all.filter(({ parents }) => parents.some((digest) => !isComplete(book.links.get(digest))));
  for (const { round, counted: offers } of cut.flatMap((link) => chainOf(link)!.recent)) {
    for (const offer of offers) if (!counted.has(offer)) counted.set(offer, { round, age: 0, isMerged: false });
  }
  const sinceRound = Math.max(-Infinity, ...cut.map(({ round }) => round - rules.lateRounds));
  const uncounted = (offer: Digest, countedIn: number) => gone?.has(offer) ?? countedIn >= sinceRound;
  return { ...known, counted, uncounted, sinceRound, forgetRound };
}

function isComplete(link: Link | undefined): boolean {
  return link !== undefined && chainOf(link) !== null;
}

function countings(links: readonly Link[], isMerged: (link: Link) => boolean): ReadonlyMap<Digest, Counting> {
  const counted = new Map<Digest, Counting>();
  for (const link of links) {
    for (const { offer, age } of link.record.body.counted) {
      counted.set(offer, { round: link.round, age, isMerged: isMerged(link) });
    }
  }
  return counted;
}

/** Of each merge record that was gained, the records of the side that is further from where this peer stood. */
function mergedBy(book: Book, gained: readonly Link[], from: State): (link: Link) => boolean {
  const merged = new Set<Link>();
  for (const { parents } of gained.filter(({ parents }) => parents.length > 1)) {
    const sides = parents.flatMap((digest) => book.links.get(digest) ?? []);
    const own = sides.map((side) => book.ancestry.exclusive(side, from.link)?.length ?? Infinity);
    const [near, far] = own[0]! <= own[1]! ? sides : sides.toReversed();
    for (const link of far && near && book.ancestry.exclusive(far, near) || []) merged.add(link);
  }
  return (link) => merged.has(link);
}
