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

/** An offer whose blob nobody had: how often it was asked for in vain, the last time of it, and a beat's time then. */
interface Missed {
  readonly author: PeerId;
  readonly count: number;
  readonly atMs: number;
  readonly beatMs: number;
}

export class Fetching {
  /** Offers whose blobs are on their way, with their authors. */
  readonly #open = new Map<Digest, PeerId>();
  /** Those of them that the rounds need; the others only judge what was counted long ago. */
  readonly #needed = new Set<Digest>();
  /** Offers whose blob nobody gave when it was last asked for. */
  readonly #missed = new Map<Digest, Missed>();
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
    const isWanted = ({ digest, signed: { body } }: HeldOffer) => options.mayCount(body) || options.urgent.has(digest);
    const missedOf = new Map<PeerId, number>();
    for (const { author } of this.#missed.values()) missedOf.set(author, (missedOf.get(author) ?? 0) + 1);
    const retryAtMs = (offer: Digest) => {
      const missed = this.#missed.get(offer);
      return missed === undefined ? -Infinity : nextTryMs(missed, {
        isPatient: !options.urgent.has(offer) && missedOf.get(missed.author)! > FEW_MISSED,
      });
    };
    const askable = [...book.offers.unjudged].filter(({ digest }) =>
      !this.#open.has(digest) && retryAtMs(digest) <= context.now
    );
    const wanted = askable.filter(isWanted);
    if (wanted.length + this.#open.size === 0) {
      wanted.push(...askable.filter(({ digest }) => options.isRechecked(digest)).slice(-1)); // the last that came
    }
    wanted.sort((a, b) => Number(options.urgent.has(b.digest)) - Number(options.urgent.has(a.digest)));
    for (const { digest, signed: { body: offer } } of wanted.slice(0, MOST_OPEN - this.#open.size)) {
      const first = (MOST_DONORS - 1) * (this.#missed.get(digest)?.count ?? 0);
      const from = options.exchange.donors(offer.peer, first).slice(0, MOST_DONORS);
      const isNeeded = options.urgent.has(digest);
      this.#open.set(digest, offer.peer);
      if (isNeeded || !options.isRechecked(digest)) {
        if (this.#needed.size === 0) this.#busySinceMs = context.now;
        this.#needed.add(digest);
      }
      context.emit({ kind: "fetch", digest, offer, blob: offer.blob!, from, isNeeded });
    }
    for (const offer of this.#missed.keys()) {
      if (this.#open.has(offer)) continue;
      const held = book.offers.find(offer), isOpen = held !== undefined && book.offers.unjudged.has(held);
      if (isOpen && isWanted(held)) {
        this.deadline = this.#open.size < MOST_OPEN ? Math.min(this.deadline, retryAtMs(offer)) : Infinity;
      } else if (!isOpen || !options.isRechecked(offer)) {
        this.#missed.delete(offer); // a recheck waits for the next beat
      }
    }
  }

  /** A fetch was answered; in vain if there is a `beatMs`, the time between two beats. */
  answered({ now: atMs }: Context, offer: Digest, beatMs: number | null): void {
    const author = this.#open.get(offer);
    if (author === undefined) return;
    this.#open.delete(offer);
    if (this.#needed.delete(offer) && this.#needed.size === 0) this.#busyMs += atMs - this.#busySinceMs;
    const count = 1 + (this.#missed.get(offer)?.count ?? 0);
    this.#missed.delete(offer);
    if (beatMs !== null) this.#missed.set(offer, { author, count, atMs, beatMs });
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
function nextTryMs({ count, atMs, beatMs }: Missed, { isPatient }: { readonly isPatient: boolean }): number {
  const beats = isPatient ? Math.min(LONGEST_RETRY_BEATS, 2 ** (count - 1)) : 1, grainMs = RETRY_GRAIN * beatMs;
  return Math.ceil((atMs + beats * beatMs) / grainMs) * grainMs;
}
