/**
 * The contributions behind a state that this peer did not fold: who stands on it has judged them, or says so.
 *
 * A state is taken on the word of others in one thing, the weights. So what its last records count is fetched and judged
 * afterwards, as far back as contributions are kept, like what is offered now. What cannot be read makes its record
 * invalid, here as everywhere, and a state that follows such a record is given up (`Book.refute`).
 * @module
 */
import { type Book, historyRounds } from "./book.ts";
import type { State } from "./link.ts";
import type { Digest, SyncRules } from "./types.ts";

export class Recheck {
  #offers: ReadonlySet<Digest> = new Set();

  /** A state was loaded, not folded: what led to it is to be judged. */
  begin({ ancestry, offers }: Book, { link, chain }: State, rules: SyncRules): void {
    const near = ancestry.of(link).filter(({ round }) => round > chain.round - historyRounds(rules));
    const counted = near.flatMap(({ record }) => record.body.counted.map(({ offer }) => offer));
    const open = [...this.#offers].filter((offer) => offers.find(offer)?.verdict === null);
    this.#offers = new Set([...open, ...counted]);
  }

  wants(offer: Digest): boolean {
    return this.#offers.has(offer);
  }
}
