/**
 * Which blobs to fetch next, and how long fetching took. Every peer fetches every contribution as its offer arrives,
 * so that closing a round waits for nothing but the last one.
 * @module
 */
import type { Book } from "./book.ts";
import type { HeldOffer } from "./link.ts";
import type { Context } from "./context.ts";
import type { Exchange } from "./exchange.ts";
import type { Digest, Offer, PeerId } from "./types.ts";

/** Fetches open at once. */
const MOST_OPEN = 16;
/** Peers named as donors in one fetch: the author, and others each time it is tried again. */
const MOST_DONORS = 8;
/**
 * What nobody had is asked for again with every beat: whoever has come by it meanwhile is found at once. But of an author
 * of whom more is missing than a line that was cut explains, only after twice as long each time, up to half a round.
 */
const FEW_MISSED = 4, LONGEST_RETRY_BEATS = 4;
/** Retries fall due at whole parts of a beat: those of many that were missed at nearly one moment are made together. */
const RETRY_GRAIN = 1 / 4;

export interface FetchingOptions {
  /** Offers whose blobs are needed for a fold. */
  readonly urgent: ReadonlySet<Digest>;
  /** The others cannot be counted any more. */
  readonly mayCount: (offer: Offer) => boolean;
  /** Offers counted long ago that are to be judged, one at a time, when there is nothing better to fetch. */
  readonly isRechecked: (offer: Digest) => boolean;
  readonly exchange: Exchange;
}

/** An offer whose blob nobody had. */
interface Missed {
  readonly author: Author;
  /** How often it was asked for in vain. */
  readonly count: number;
  /** When it is asked for again, and when if much of its author's is missed. */
  readonly soonMs: number;
  readonly lateMs: number;
}

interface Author {
  readonly peer: PeerId;
  missed: number;
}

/** What there is to fetch. */
interface Outlook {
  /** What may be asked for now and can be counted, in the order in which it came. */
  readonly wanted: HeldOffer[];
  /** The last that came of what is only judged. */
  readonly rechecked: HeldOffer | null;
  /** When the next of what was missed and can be counted may be asked for again. */
  readonly untilMs: number;
}

export class Fetching {
  /** Offers whose blobs are on their way, with their authors. */
  readonly #open = new Map<Digest, PeerId>();
  /** Those of them that the rounds need; the others only judge what was counted long ago. */
  readonly #needed = new Set<Digest>();
  /** Offers whose blob nobody gave when it was last asked for, and their authors. */
  readonly #missed = new Map<Digest, Missed>();
  readonly #authors = new Map<PeerId, Author>();
  /** When the next retry is due. */
  deadline = Infinity;
  #busySinceMs = 0;
  #busyMs = 0;

  get sizes(): Readonly<Record<string, number>> {
    return { fetches: this.#open.size, retries: this.#missed.size };
  }

  /** There is no head to fetch for. */
  close(): void {
    this.deadline = Infinity;
  }

  /** Begins what may begin: blobs of `urgent` offers first, then by age. */
  run(context: Context, book: Book, options: FetchingOptions): void {
    this.deadline = Infinity;
    if (this.#open.size >= MOST_OPEN) return;
    const { urgent, isRechecked, exchange } = options;
    const { wanted, rechecked, untilMs } = this.#look(context.now, book, options);
    if (wanted.length + this.#open.size === 0 && rechecked !== null) wanted.push(rechecked);
    if (urgent.size > 0) wanted.sort((a, b) => Number(urgent.has(b.digest)) - Number(urgent.has(a.digest)));
    for (const { digest, signed: { body: offer } } of wanted.slice(0, MOST_OPEN - this.#open.size)) {
      const first = (MOST_DONORS - 1) * (this.#missed.get(digest)?.count ?? 0);
      const from = exchange.donors(offer.peer, { first, most: MOST_DONORS });
      const isNeeded = urgent.has(digest);
      this.#open.set(digest, offer.peer);
      if (isNeeded || !isRechecked(digest)) {
        if (this.#needed.size === 0) this.#busySinceMs = context.now;
        this.#needed.add(digest);
      }
      context.emit({ kind: "fetch", digest, offer, blob: offer.blob!, from, isNeeded });
    }
    if (this.#open.size < MOST_OPEN) this.deadline = untilMs;
  }

  /**
   * What could be begun now, and when more can; what was missed and is of no use any more is forgotten. Of a crowd that
   * withholds its blobs much is missed: so each offer is looked at once.
   */
  #look(nowMs: number, { offers: { unjudged } }: Book, { urgent, mayCount, isRechecked }: FetchingOptions): Outlook {
    const wanted: HeldOffer[] = [], useless: Digest[] = [];
    let rechecked: HeldOffer | null = null, untilMs = Infinity, missedHere = 0;
    for (const held of unjudged) {
      const { digest, signed: { body } } = held, missed = this.#missed.get(digest);
      if (missed !== undefined) missedHere++;
      if (this.#open.has(digest)) continue;
      const isUrgent = urgent.has(digest), isWanted = isUrgent || mayCount(body);
      const isOfUse = isWanted || isRechecked(digest); // what is rechecked waits for its turn
      const dueMs = missed === undefined ? -Infinity : retryAtMs(missed, isUrgent);
      if (!isOfUse) {
        if (missed !== undefined) useless.push(digest);
      } else if (dueMs > nowMs) {
        if (isWanted) untilMs = Math.min(untilMs, dueMs);
      } else if (isWanted) {
        wanted.push(held);
      } else {
        rechecked = held;
      }
    }
    if (missedHere < this.#missed.size) {
      const here = new Set(Array.from(unjudged, ({ digest }) => digest));
      useless.push(...[...this.#missed.keys()].filter((offer) => !here.has(offer) && !this.#open.has(offer)));
    }
    useless.forEach((offer) => this.#forget(offer));
    return { wanted, rechecked, untilMs };
  }

  /** A fetch was answered; in vain if there is a `beatMs`, the time between two beats. */
  answered({ now: atMs }: Context, offer: Digest, beatMs: number | null): void {
    const author = this.#open.get(offer);
    if (author === undefined) return;
    this.#open.delete(offer);
    if (this.#needed.delete(offer) && this.#needed.size === 0) this.#busyMs += atMs - this.#busySinceMs;
    const count = 1 + (this.#missed.get(offer)?.count ?? 0);
    this.#forget(offer);
    if (beatMs === null) return;
    const missing = this.#authors.get(author) ?? { peer: author, missed: 0 };
    missing.missed++;
    this.#authors.set(author, missing);
    const soonMs = retryMs(atMs, { beats: 1, beatMs });
    const lateMs = retryMs(atMs, { beats: Math.min(LONGEST_RETRY_BEATS, 2 ** (count - 1)), beatMs });
    this.#missed.set(offer, { author: missing, count, soonMs, lateMs });
  }

  #forget(offer: Digest): void {
    const author = this.#missed.get(offer)?.author;
    if (author === undefined) return;
    this.#missed.delete(offer);
    if (--author.missed === 0) this.#authors.delete(author.peer);
  }

  /** Whether nobody gave the blob of this offer when it was last asked for. */
  isMissed(offer: Digest): boolean {
    return this.#missed.has(offer);
  }

  /** Milliseconds in which something was fetched that the rounds need, since the last call: not what is rechecked. */
  takeTransferMs(): number {
    const busyMs = this.#busyMs;
    this.#busyMs = 0;
    return busyMs;
  }
}

/** When to ask again for what was missed. */
function retryAtMs({ author, soonMs, lateMs }: Missed, isUrgent: boolean): number {
  return !isUrgent && author.missed > FEW_MISSED ? lateMs : soonMs;
}

/** So many beats after a miss, or a little later. */
function retryMs(atMs: number, { beats, beatMs }: { readonly beats: number; readonly beatMs: number }): number {
  const grainMs = RETRY_GRAIN * beatMs;
  return Math.ceil((atMs + beats * beatMs) / grainMs) * grainMs;
}
