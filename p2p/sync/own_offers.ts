/**
 * What became of this peer's own offers (law 5): each is pending until a record counts it or it is too late to be
 * counted; a fork may take a counted one back. The owner is told every change, with the reason.
 * @module
 */
import type { CountedBy, Counting } from "./book.ts";
import type { Context } from "./context.ts";
import type { SyncEvent } from "./effects.ts";
import { type Ranges, union } from "./ranges.ts";
import type { ChainState, Digest, Offer, Signed } from "./types.ts";

interface Own {
  readonly digest: Digest;
  readonly signed: Signed<Offer>;
  fate: "pending" | "counted" | "lost" | "unknown";
  /** Round of the record that counted it. */
  countedIn: number | null;
}

export class OwnOffers {
  readonly #own = new Map<Digest, Own>();

  get size(): number {
    return this.#own.size;
  }

  add(digest: Digest, signed: Signed<Offer>): void {
    this.#own.set(digest, { digest, signed, fate: "pending", countedIn: null });
  }

  /** Offers that still may be counted, oldest first: they are announced again with every beat. */
  pending(): readonly Signed<Offer>[] {
    return [...this.#own.values()].filter(({ fate }) => fate === "pending").map(({ signed }) => signed);
  }

  /** Windows trained by pending offers: not to be trained again. */
  pendingRanges(): Ranges {
    return union(...this.pending().map(({ body }) => body.ranges));
  }

  hasOfferOn(record: Digest): boolean {
    return [...this.#own.values()].some(({ signed }) => signed.body.parent === record);
  }

  /** Compares every offer with a newly adopted history. */
  review(context: Context, chain: ChainState, { by, sinceRound, continues }: CountedBy): void {
    const { lateRounds } = context.options.rules;
    for (const own of this.#own.values()) {
      const { round } = own.signed.body;
      const counting = by.get(own.digest);
      if (counting !== undefined) {
        own.countedIn = counting.round;
        if (own.fate !== "counted") count(context, own, counting);
      } else if (own.fate === "counted" && own.countedIn! >= sinceRound) {
        own.fate = "pending";
        tell(context, own, "uncounted by a fork", `its record ${own.countedIn} lost against a heavier history`);
      }
      if (round < sinceRound && (own.fate === "pending" || own.fate === "counted" && !continues)) {
        tell(context, own, "unknown", "the history adopted begins after the records that could have counted it");
        // If it was counted, then no second time: its error feedback goes with it.
        if (own.fate === "pending") settle(context, own, "counted");
        own.fate = "unknown";
      } else if (own.fate === "pending" && chain.round >= round + lateRounds) {
        own.fate = "lost";
        tell(context, own, "lost", `no record counted it within ${lateRounds} rounds`);
        settle(context, own, "lost");
      }
      if (round < sinceRound) this.#own.delete(own.digest);
    }
  }
}

function count(context: Context, own: Own, { round, parent }: Counting): void {
  const { body } = own.signed;
  own.fate = "counted";
  if (parent === body.parent) tell(context, own, "counted", `by record ${round}`);
  else tell(context, own, "counted late", `by record ${round}, ${Math.max(1, round - body.round)} late`);
  settle(context, own, "counted");
}

type Fate = Extract<SyncEvent, { kind: "fate" }>["fate"];

function tell(
  { report }: Context,
  { digest, signed: { body } }: Own,
  fate: Fate,
  reason: string,
): void {
  report({ kind: "fate", round: body.round, offer: digest, tokens: body.tokens, fate, reason });
}

function settle({ emit }: Context, { signed: { body } }: Own, fate: "counted" | "lost"): void {
  if (body.blob !== null) emit({ kind: "settle", round: body.round, blob: body.blob.digest, fate });
}
