/**
 * Who has a say in which state a peer takes from others, and what it knows without anybody's word.
 *
 * What the records prove needs no word but on its weights. A state that they do not reach is taken on the word of those
 * who are connected: one that more of them deny than support is refused, whatever weight it claims.
 * @module
 */
import type { Book } from "./book.ts";
import { chainOf, type Link } from "./link.ts";
import { chainDigest, stateDigest } from "./digest.ts";
import type { Exchange } from "./exchange.ts";
import type { Candidate, Choice, Proof } from "./joining.ts";
import type { ChainState, Digest } from "./types.ts";
import type { Witnesses } from "./witnesses.ts";

export function vouching(
  book: Book,
  { connected, witnesses }: Exchange,
  needs: Omit<Choice, "words" | "proofOf" | "isKnown"> & Pick<Evidence, "isMissed">,
): Choice {
  return {
    ...needs,
    get words() {
      return witnesses.words(connected);
    },
    proofOf: (state) => proofOf(state, { book, witnesses, isMissed: needs.isMissed }),
    isKnown: (record) => isKnown(book, record) && !countsMissed(book, book.links.get(record)!, needs.isMissed),
  };
}

export interface Evidence {
  readonly book: Book;
  readonly witnesses: Witnesses;
  /** Whether nobody gave the contribution of an offer when it was asked for. */
  readonly isMissed: (offer: Digest) => boolean;
}

/**
 * What the records that we know say of a state; where they reach it, also who has spoken of its weights. Records that count
 * what nobody gives prove nothing: others must have been given it.
 */
export function proofOf(
  { record, chain: claimed, weights }: Pick<Candidate, "record" | "chain" | "weights">,
  { book, witnesses, isMissed }: Evidence,
): Proof {
  const link = book.links.get(claimed.head), chain = link && chainOf(link);
  if (followsInvalid(book, claimed)) return "refuted";
  if (!chain) return isUnmade(book, record.body.parents) ? "unmade" : "open";
  const { confirm, contradict } = witnesses.count(claimed.head, stateDigest(chain, weights.digest), chain);
  if (link && countsMissed(book, link, isMissed)) return "open";
  return chainDigest(chain) === chainDigest(claimed) && confirm >= contradict ? "proven" : "refuted";
}

/** Whether no peer could adopt a record that leads to this state, as far as it says itself and we know from there on. */
export function followsInvalid({ links }: Book, { head, recent }: ChainState): boolean {
  const seen = new Set([head, ...recent.map(({ record }) => record)]);
  for (const record of seen) {
    const link = links.get(record);
    if (link === undefined) continue;
    if (link.stage.kind === "invalid" && link.stage.isCertain) return true;
    for (const parent of link.parents) seen.add(parent);
  }
  return false;
}

/** Whether this record counts what nobody gives, or one before it that is not folded here either. */
function countsMissed(book: Book, link: Link, isMissed: Evidence["isMissed"]): boolean {
  const unfolded = new Set(link.stage.kind === "complete" ? [link] : []);
  for (const { parents, record } of unfolded) {
    if (record.body.counted.some(({ offer }) => isMissed(offer))) return true;
    for (const parent of parents) {
      const before = book.links.get(parent);
      if (before?.stage.kind === "complete") unfolded.add(before);
    }
  }
  return false;
}

function isKnown(book: Book, record: Digest): boolean {
  const link = book.links.get(record);
  return link !== undefined && chainOf(link) !== null;
}

/** Whether every way back from these records ends, by records that are here, at one of which we know what follows. */
function isUnmade(book: Book, parents: readonly Digest[]): boolean {
  const seen = new Set(parents);
  for (const record of seen) {
    if (isKnown(book, record)) continue;
    const link = book.links.get(record);
    if (link === undefined) return false;
    for (const parent of link.parents) seen.add(parent);
  }
  return seen.size > 0;
}
