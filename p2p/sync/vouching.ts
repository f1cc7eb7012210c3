/**
 * Who has a say in which state a peer takes from others, and what it knows without anybody's word.
 *
 * What the records prove needs no word but on its weights. A state that they do not reach is taken on the word of those
 * who are connected: one that more of them deny than support is refused, whatever weight it claims.
 * @module
 */
import type { Book } from "./book.ts";
import { chainOf } from "./link.ts";
import { digestOf, stateDigest } from "./digest.ts";
import type { Exchange } from "./exchange.ts";
import type { Candidate, Choice, Proof } from "./joining.ts";
import type { Witnesses } from "./witnesses.ts";

export function vouching(
  book: Book,
  { connected, witnesses }: Exchange,
  needs: Omit<Choice, "words" | "proofOf">,
): Choice {
  return {
    ...needs,
    get words() {
      return witnesses.words(connected);
    },
    proofOf: (state) => proofOf(state, { book, witnesses }),
  };
}

/** What the records that we know say of a state; where they reach it, also who has spoken of its weights. */
export function proofOf(
  { chain: claimed, weights }: Pick<Candidate, "chain" | "weights">,
  { book, witnesses }: { readonly book: Book; readonly witnesses: Witnesses },
): Proof {
  const link = book.links.get(claimed.head), chain = link && chainOf(link);
  if (link && book.isHopeless(link)) return "refuted";
  if (!chain) return "open";
  const { confirm, contradict } = witnesses.count(claimed.head, stateDigest(chain, weights.digest));
  return digestOf(chain) === digestOf(claimed) && confirm >= contradict ? "proven" : "refuted";
}
