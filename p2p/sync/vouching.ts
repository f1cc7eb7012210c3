/**
 * Who has a say in which state a peer takes from others, and what it knows without anybody's word.
 *
 * What the records prove needs no word but on its weights. A state that they do not reach is taken on the word of those
 * who are connected: one that more of them deny than support is refused, whatever weight it claims.
 * @module
 */
import type { Book } from "./book.ts";
import { chainOf } from "./link.ts";
import { chainDigest, stateDigest } from "./digest.ts";
import type { Exchange } from "./exchange.ts";
import type { Candidate, Choice, Proof } from "./joining.ts";
import type { Digest } from "./types.ts";
import type { Witnesses } from "./witnesses.ts";

export function vouching(
  book: Book,
  { connected, witnesses }: Exchange,
  needs: Omit<Choice, "words" | "proofOf" | "isKnown">,
): Choice {
  return {
    ...needs,
    get words() {
      return witnesses.words(connected);
    },
    proofOf: (state) => proofOf(state, { book, witnesses }),
    isKnown: (record) => isKnown(book, record),
  };
}

/** What the records that we know say of a state; where they reach it, also who has spoken of its weights. */
export function proofOf(
  { record, chain: claimed, weights }: Pick<Candidate, "record" | "chain" | "weights">,
  { book, witnesses }: { readonly book: Book; readonly witnesses: Witnesses },
): Proof {
  const link = book.links.get(claimed.head), chain = link && chainOf(link);
  if (link && book.isHopeless(link)) return "refuted";
  if (!chain) return isUnmade(book, record.body.parents) ? "unmade" : "open";
  const { confirm, contradict } = witnesses.count(claimed.head, stateDigest(chain, weights.digest));
  return chainDigest(chain) === chainDigest(claimed) && confirm >= contradict ? "proven" : "refuted";
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
