/**
 * What became of this peer's own offers (law 5): each is pending until a record counts it or it is too late to be
 * counted; a fork may take a counted one back. The owner is told every change, with the reason.
 * @module
 */
import type { Context } from "./context.ts";
import type { SyncEvent } from "./effects.ts";
import { type Ranges, union } from "./ranges.ts";
import type { ChainState, Digest, Offer, Signed } from "./types.ts";

interface Own {
  readonly digest: Digest;
  readonly signed: Signed<Offer>;
  fate: "pending" | "counted" | "lost" | "unknown";
  countedBy: { readonly record: Digest; readonly round: number } | null;
}

export class OwnOffers {
  readonly #own = new Map<Digest, Own>();

  add(digest: Digest, signed: Signed<Offer>): void {
    this.#own.set(digest, { digest, signed, fate: "pending", countedBy: null });
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
  review(context: Context, chain: ChainState): void {
    const { lateRounds } = context.options.rules;
    for (const own of this.#own.values()) {
      const { round } = own.signed.body;
      const back = chain.recent.findIndex(({ counted }) => counted.includes(own.digest));
      const by = chain.recent[back];
      if (by !== undefined) {
        own.countedBy = { record: by.record, round: chain.round - back };
        if (own.fate !== "counted") count(context, own, { onTime: by.parent === own.signed.body.parent });
      } else if (own.fate === "counted" && !isBuried(own, chain)) {
        own.fate = "pending";
        tell(context, own, "uncounted by a fork", `record ${own.countedBy!.record} lost against a heavier history`);
      }
      if (own.fate === "pending" && round <= chain.round - chain.recent.length) {
        own.fate = "unknown"; // if it was counted, then no second time: its error feedback goes with it
        tell(context, own, "unknown", "this peer was away too long to see whether a record counted it");
        settle(context, own, "counted");
      } else if (own.fate === "pending" && chain.round >= round + lateRounds) {
        own.fate = "lost";
        tell(context, own, "lost", `no record counted it within ${lateRounds} rounds`);
        settle(context, own, "lost");
      }
      if (chain.round > round + 3 * lateRounds + 1) this.#own.delete(own.digest);
    }
  }
}

function count(context: Context, own: Own, { onTime }: { readonly onTime: boolean }): void {
  const { round } = own.countedBy!;
  const late = Math.max(1, round - own.signed.body.round);
  own.fate = "counted";
  if (onTime) tell(context, own, "counted", `by record ${round}`);
  else tell(context, own, "counted late", `by record ${round}, ${late} late`);
  settle(context, own, "counted");
}

/** Whether the record that counted it is so far back that the chain state names it no more. */
function isBuried({ countedBy }: Own, { recent, round }: ChainState): boolean {
  return countedBy!.round <= round - recent.length;
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
