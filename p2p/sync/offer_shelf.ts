/**
 * The offers that one peer knows: those of the last rounds with all that is asked of them, older ones by digest alone.
 *
 * It does not know which records count them. It is bounded (law 7): so many of each author, and so many rounds.
 * @module
 */
import type { Verdict } from "../learner.ts";
import type { AddOfferOptions, HeldOffer } from "./link.ts";
import type { Digest, Offer, PeerId, RoundRecord, Signed, SyncRules } from "./types.ts";

/** Offers kept of one author beyond those that records count. */
const MOST_OFFERS_EACH = 16;
/** Authors that are no members, and are quickly made: of so many at once offers are kept that may be counted. */
export const MOST_STRANGERS = 64;

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

export class OfferShelf {
  /** Offers without a verdict: asked for with every input. */
  readonly unjudged = new Set<HeldOffer>();
  readonly #recent = new Map<Digest, HeldOffer>();
  readonly #archive = new Map<Digest, HeldOffer>();
  readonly #byParent = new Map<Digest, HeldOffer[]>();
  /** Those of the last rounds by their contribution. */
  readonly #byBlob = new Map<Digest, HeldOffer[]>();
  readonly #countOf = new Map<PeerId, number>();
  /** Authors that were no members when they offered what may be counted. */
  #strangers = new Set<PeerId>();
  /** Those of the last rounds that a record waited for, or our own disk had: they count towards no bound. */
  readonly #free = new Set<HeldOffer>();
  /** Older offers are for the archive, but for those on the records just behind the head: they may be counted yet. */
  #historyRound = -Infinity;
  #isNear: (record: Digest) => boolean = () => false;
  readonly #rules: SyncRules;
  readonly #isWanted: (offer: Digest) => boolean;

  /** @param isWanted Whether a record waits for this offer: then it is taken whatever the bounds are. */
  constructor(rules: SyncRules, isWanted: (offer: Digest) => boolean) {
    this.#rules = rules;
    this.#isWanted = isWanted;
  }

  /**
   * Adds an offer, or does nothing if it is too old, its author has too many waiting, or too many strangers have some,
   * and no record wants it.
   */
  add(digest: Digest, signed: Signed<Offer>, options: AddOfferOptions): void {
    if (this.find(digest) !== undefined) return;
    const { peer, parent, blob } = signed.body;
    const count = this.#countOf.get(peer) ?? 0, isOld = this.#isOld(signed.body);
    const isOneMore = options.isStranger === true && count === 0;
    const isTooMuch = isOld || this.isFull(peer) || isOneMore && this.isCrowded;
    // What another history counts must not stand in the way of its author's next one.
    const isFree = options.journaled || this.#isWanted(digest);
    if (isTooMuch && !isFree) return;
    const verdict: Verdict | null = options.own || blob === null ? { valid: true, norm: 0 } : null;
    const held = { digest, signed, receivedAtMs: options.nowMs, verdict, journaled: options.journaled };
    if (isOld) {
      this.#archive.set(digest, held);
      return;
    }
    this.#recent.set(digest, held);
    if (isFree) this.#free.add(held);
    else this.#countOf.set(peer, count + 1);
    if (isOneMore && !isFree) this.#strangers.add(peer);
    put(this.#byParent, parent, held);
    if (blob !== null) put(this.#byBlob, blob.digest, held);
    if (verdict === null) this.unjudged.add(held);
  }

  get sizes(): Readonly<Record<string, number>> {
    return { offers: this.#recent.size, archivedOffers: this.#archive.size };
  }

  /** Whether so many strangers have offers here that there is no room for one more. */
  get isCrowded(): boolean {
    return this.#strangers.size >= MOST_STRANGERS;
  }

  find(digest: Digest): HeldOffer | undefined {
    return this.#recent.get(digest) ?? this.#archive.get(digest);
  }

  /** Whether as many of this author's are kept as may be. */
  isFull(author: PeerId): boolean {
    return (this.#countOf.get(author) ?? 0) >= MOST_OFFERS_EACH + 2 * this.#rules.rosterRounds;
  }

  /** The offers that a record counts, in its order, or null while some are unknown. */
  countedBy({ counted }: RoundRecord): readonly HeldOffer[] | null {
    const offers = counted.map(({ offer }) => this.find(offer));
    return offers.every((held) => held !== undefined) ? offers : null;
  }

  /** Offers of the last rounds, in the order in which they came. */
  values(): IterableIterator<HeldOffer> {
    return this.#recent.values();
  }

  /** Offers trained on one record, in the order in which they came. */
  on(parent: Digest): readonly HeldOffer[] {
    return this.#byParent.get(parent) ?? [];
  }

  /** Enters what became of an offer's blob; null: it must be fetched and judged again. */
  judge(held: Mutable<HeldOffer>, verdict: Verdict | null): void {
    held.verdict = verdict;
    if (verdict === null && this.#recent.has(held.digest)) this.unjudged.add(held);
    else this.unjudged.delete(held);
  }

  /** Blobs of the offers of the last rounds. */
  blobs(): Set<Digest> {
    return new Set(this.#byBlob.keys());
  }

  /** Puts what is older than the last rounds into the archive, and drops what is too old for that. */
  prune({ historyRound, archiveRound, isNear, isStranger, countableRound }: {
    readonly historyRound: number;
    readonly archiveRound: number;
    readonly isNear: (record: Digest) => boolean;
    readonly isStranger: (peer: PeerId) => boolean;
    /** No offer for an earlier round can be counted any more, unless it is near. */
    readonly countableRound: number;
  }): void {
    this.#historyRound = historyRound;
    this.#isNear = isNear;
    if (this.#strangers.size > 0) {
      const before = this.#strangers;
      this.#strangers = new Set();
      for (const { signed: { body: { peer, parent, round } } } of this.#recent.values()) {
        if (!before.has(peer) || !isStranger(peer) || round < countableRound && !isNear(parent)) continue;
        this.#strangers.add(peer);
      }
    }
    for (const held of this.#recent.values()) if (this.#isOld(held.signed.body)) this.#putAway(held);
    if (archiveRound < 0) return;
    for (const { digest, signed } of this.#archive.values()) {
      if (signed.body.round < archiveRound) this.#archive.delete(digest);
    }
  }

  #isOld({ round, parent }: Offer): boolean {
    return round < this.#historyRound && !this.#isNear(parent);
  }

  #putAway(held: HeldOffer): void {
    const { peer, parent, blob } = held.signed.body;
    this.#recent.delete(held.digest);
    this.unjudged.delete(held);
    this.#archive.set(held.digest, held);
    const count = this.#free.delete(held) ? null : this.#countOf.get(peer)! - 1;
    if (count === 0) this.#countOf.delete(peer);
    else if (count !== null) this.#countOf.set(peer, count);
    take(this.#byParent, parent, held);
    if (blob !== null) take(this.#byBlob, blob.digest, held);
  }
}

function put(index: Map<Digest, HeldOffer[]>, key: Digest, held: HeldOffer): void {
  const same = index.get(key);
  if (same === undefined) index.set(key, [held]);
  else same.push(held);
}

function take(index: Map<Digest, HeldOffer[]>, key: Digest, held: HeldOffer): void {
  const left = index.get(key)!.filter((other) => other !== held);
  if (left.length > 0) index.set(key, left);
  else index.delete(key);
}
