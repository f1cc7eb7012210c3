/**
 * Who has a say in which state a peer takes from others, and what it knows without anybody's word.
 *
 * A peer that has folded some records since it started goes on with those who go on with it: a state that more of them
 * deny than support is refused, whatever weight it claims. One that has just come back may be far behind, and all who
 * came back with it know no more than it does: only who stands elsewhere tells it anything.
 * @module
 */
import type { Book } from "./book.ts";
import { chainOf } from "./link.ts";
import { digestOf, stateDigest } from "./digest.ts";
import type { Exchange } from "./exchange.ts";
import type { Choice } from "./joining.ts";

export function vouching(
  book: Book,
  { connected, witnesses }: Exchange,
  { isSettled, ...needs }: Omit<Choice, "words" | "proofOf"> & { readonly isSettled: boolean },
): Choice {
  const words = witnesses.words(connected);
  return {
    ...needs,
    words: isSettled ? words : words.filter(({ head }) => book.baseOf(head) === null),
    proofOf: ({ chain: claimed, weights }) => {
      const link = book.links.get(claimed.head), chain = link && chainOf(link);
      if (link && book.isHopeless(link)) return "refuted";
      if (!chain) return "open";
      const { confirm, contradict } = witnesses.count(claimed.head, stateDigest(chain, weights.digest));
      return digestOf(chain) === digestOf(claimed) && confirm >= contradict ? "proven" : "refuted";
    },
  };
}
