/**
 * What became of this peer's own offers (law 5): each is pending until a record counts it or it is too late to be
 * counted; a fork may take a counted one back, and a merge may bring one that the other side counted. The owner is told
 * every change, with the reason.
 * @module
 */
import type { Context } from "./context.ts";
import type { SyncEvent } from "./effects.ts";
import type { Counting, HistoryChange } from "./history_change.ts";
import { type Ranges, union } from "./ranges.ts";
import { ageOf } from "./record.ts";
import type { ChainState, Digest, Offer, Signed } from "./types.ts";

interface Own {
  readonly digest: Digest;
  readonly signed: Signed<Offer>;
  fate: "pending" | "counted" | "lost" | "unknown";
  /** Round of the record that counted it. */
  countedIn: number | null;
  /** Its fate was told in an earlier life of this peer, by the history on its disk: it is told again only if it changes. */
  isTold: boolean;
}

export class OwnOffers {
  readonly #own = new Map<Digest, Own>();
  readonly #pending = new Set<Own>();

  get size(): number {
    return this.#own.size;
  }

  add(digest: Digest, signed: Signed<Offer>, { isTold = false } = {}): void {
    const own: Own = { digest, signed, fate: "pending", countedIn: null, isTold };
    this.#own.set(digest, own);
    this.#pending.add(own);
  }

  /** Offers that still may be counted, oldest first: they are announced again with every beat. */
  pending(): readonly Signed<Offer>[] {
    return [...this.#pending].map(({ signed }) => signed);
  }

  /** Windows trained by pending offers: not to be trained again. */
  pendingRanges(): Ranges {
    return union(...this.pending().map(({ body }) => body.ranges));
  }

  hasOfferOn(record: Digest): boolean {
    return [...this.#own.values()].some(({ signed }) => signed.body.parent === record);
  }

  /** The history that was told of in earlier lives is given up for one from elsewhere: all fates are told anew. */
  tellAnew(): void {
    for (const own of this.#own.values()) own.isTold = false;
  }

  /** Compares every offer with a newly adopted history. */
  review(context: Context, chain: ChainState, change: HistoryChange): void {
    const { lateRounds } = context.options.rules, { counted, uncounted, sinceRound, forgetRound } = change;
    for (const own of this.#own.values()) {
      const { body } = own.signed, counting = counted.get(own.digest);
      if (counting !== undefined) {
        own.countedIn = counting.round;
        if (own.fate !== "counted") this.#count(context, own, counting);
      } else if (own.fate === "counted" && uncounted(own.digest, own.countedIn!)) {
        this.#setFate(own, "pending");
        tell(context, own, "uncounted by a fork", `its record ${own.countedIn} lost against a heavier history`);
      }
      const mayBeUnseen = own.fate === "pending" || own.fate === "counted" && !change.continues ||
        own.fate === "lost" && change.gained === null;
      if (body.round < sinceRound && mayBeUnseen) {
        tell(context, own, "unknown", "the history adopted begins after the records that could have counted it");
        // If it was counted, then no second time: its error feedback goes with it.
        if (own.fate === "pending") settle(context, own, "counted");
        this.#setFate(own, "unknown");
      } else if (own.fate === "pending" && ageOf(body, chain) > lateRounds) {
        this.#setFate(own, "lost");
        tell(context, own, "lost", `no record counted it within ${lateRounds} rounds: ${whyLost(own, chain)}`);
        settle(context, own, "lost");
      }
      own.isTold = false;
      if (body.round < forgetRound && own.fate !== "pending") this.#own.delete(own.digest);
    }
  }

  #count(context: Context, own: Own, { round, age, isMerged }: Counting): void {
    this.#setFate(own, "counted");
    if (isMerged) tell(context, own, "merged", `by record ${round} of a history that is part of this one now`);
    else if (age === 0) tell(context, own, "counted", `by record ${round}`);
    else tell(context, own, "counted late", `by record ${round}, ${age} late`);
    settle(context, own, "counted");
  }

  #setFate(own: Own, fate: Own["fate"]): void {
    own.fate = fate;
    if (fate === "pending") this.#pending.add(own);
    else this.#pending.delete(own);
  }
}

/** What kept an offer out, as far as this peer can tell: `chain` is the first that is too late for it. */
function whyLost({ signed: { body }, countedIn }: Own, { recent }: ChainState): string {
  if (countedIn !== null) return `record ${countedIn}, which did, lost against a heavier history`;
  const first = recent.find(({ parents }) => parents.includes(body.parent));
  if (first === undefined) return "it was trained on a record that lost against a heavier history";
  if (first.bases[first.parents.indexOf(body.parent)] !== body.base) {
    return "it was trained on another state than everybody else's";
  }
  return "it, or its contribution, did not reach their scribes in time";
}

type Fate = Extract<SyncEvent, { kind: "fate" }>["fate"];

function tell(
  { report }: Context,
  { digest, signed: { body }, isTold }: Own,
  fate: Fate,
  reason: string,
): void {
  if (isTold) return;
  report({ kind: "fate", round: body.round, offer: digest, tokens: body.tokens, fate, reason });
}

function settle({ emit }: Context, { signed: { body }, isTold }: Own, fate: "counted" | "lost"): void {
  if (body.blob === null || isTold) return;
  emit({ kind: "settle", round: body.round, blob: body.blob.digest, fate });
}
