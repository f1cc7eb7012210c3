/**
 * Which blobs to fetch next, and how long fetching took. Every peer fetches every contribution as its offer arrives,
 * so that closing a round waits for nothing but the last one.
 * @module
 */
import type { Book } from "./book.ts";
import type { HeldOffer } from "./link.ts";
import type { Context } from "./context.ts";
import type { Exchange } from "./exchange.ts";
import type { Digest, Offer } from "./types.ts";

/** Fetches open at once. */
const MOST_OPEN = 16;
/** Peers named as donors in one fetch. */
const MOST_DONORS = 8;

export interface FetchingOptions {
  /** Offers whose blobs are needed for a fold. */
  readonly urgent: ReadonlySet<Digest>;
  /** The others cannot be counted any more. */
  readonly mayCount: (offer: Offer) => boolean;
  /** Offers counted long ago that are to be judged, one at a time, when there is nothing better to fetch. */
  readonly isRechecked: (offer: Digest) => boolean;
  readonly exchange: Exchange;
}

export class Fetching {
  readonly #open = new Set<Digest>();
  /** Those of them that the rounds need; the others only judge what was counted long ago. */
  readonly #needed = new Set<Digest>();
  /** Offers whose blob nobody gave when it was last asked for. */
  readonly #missed = new Set<Digest>();
  /** Offers whose blob nobody had, and when to ask again. */
  readonly #retryAtMs = new Map<Digest, number>();
  /** When the next retry is due. */
  deadline = Infinity;
  #busySinceMs = 0;
  #busyMs = 0;

  get sizes(): Readonly<Record<string, number>> {
    return { fetches: this.#open.size, retries: this.#retryAtMs.size };
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
    const askable = [...book.offers.unjudged].filter((held) => this.#mayAsk(context, held));
    const wanted = askable.filter(isWanted);
    if (wanted.length + this.#open.size === 0) {
      wanted.push(...askable.filter(({ digest }) => options.isRechecked(digest)).slice(-1)); // the last that came
    }
    wanted.sort((a, b) => Number(options.urgent.has(b.digest)) - Number(options.urgent.has(a.digest)));
    for (const { digest, signed: { body: offer } } of wanted.slice(0, MOST_OPEN - this.#open.size)) {
      const from = options.exchange.donors(offer.peer).slice(0, MOST_DONORS);
      this.#open.add(digest);
      if (options.urgent.has(digest) || !options.isRechecked(digest)) {
        if (this.#needed.size === 0) this.#busySinceMs = context.now;
        this.#needed.add(digest);
      }
      this.#retryAtMs.delete(digest);
      context.emit({ kind: "fetch", digest, offer, blob: offer.blob!, from });
    }
    for (const [offer, atMs] of this.#retryAtMs) {
      const held = book.offers.find(offer), isOpen = held !== undefined && book.offers.unjudged.has(held);
      if (isOpen && isWanted(held)) {
        this.deadline = this.#open.size < MOST_OPEN ? Math.min(this.deadline, atMs) : Infinity;
      } else if (!isOpen || !options.isRechecked(offer)) {
        this.#retryAtMs.delete(offer); // a recheck waits for the next beat
        this.#missed.delete(offer);
      }
    }
  }

  /** A fetch was answered; `retryInMs` if in vain. */
  answered(context: Context, offer: Digest, retryInMs: number | null): void {
    if (!this.#open.delete(offer)) return;
    if (this.#needed.delete(offer) && this.#needed.size === 0) this.#busyMs += context.now - this.#busySinceMs;
    this.#missed.delete(offer);
    if (retryInMs === null) return;
    this.#missed.add(offer);
    this.#retryAtMs.set(offer, context.now + retryInMs);
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

  #mayAsk(context: Context, { digest }: HeldOffer): boolean {
    return !this.#open.has(digest) && (this.#retryAtMs.get(digest) ?? context.now) <= context.now;
  }
}
