/**
 * Which blobs to fetch next, and how long fetching took. Every peer fetches every contribution as its offer arrives,
 * so that closing a round waits for nothing but the last one.
 * @module
 */
import type { Book } from "./book.ts";
import type { HeldOffer } from "./link.ts";
import type { Context } from "./context.ts";
import type { Digest, PeerId } from "./types.ts";

/** Fetches open at once. */
const MOST_OPEN = 16;
/** Peers named as donors in one fetch. */
const MOST_DONORS = 8;

export interface FetchingOptions {
  /** Offers whose blobs are needed for a fold. */
  readonly urgent: ReadonlySet<Digest>;
  /** The others cannot be counted any more, and nobody asks what they were. */
  readonly isWanted: (offer: HeldOffer) => boolean;
  readonly connected: readonly PeerId[];
}

export class Fetching {
  readonly #open = new Set<Digest>();
  /** Offers whose blob nobody had, and when to ask again. */
  readonly #retryAtMs = new Map<Digest, number>();
  #busySinceMs = 0;
  #busyMs = 0;

  get sizes(): Readonly<Record<string, number>> {
    return { fetches: this.#open.size, retries: this.#retryAtMs.size };
  }

  /** Begins what may begin: blobs of `urgent` offers first, then by age. */
  run(context: Context, book: Book, options: FetchingOptions): void {
    if (this.#open.size >= MOST_OPEN) return;
    const wanted = [...book.offers.unjudged].filter((held) =>
      this.#mayAsk(context, held) &&
      (options.isWanted(held) || options.urgent.has(held.digest))
    );
    wanted.sort((a, b) => Number(options.urgent.has(b.digest)) - Number(options.urgent.has(a.digest)));
    for (const offer of this.#retryAtMs.keys()) {
      const held = book.offers.find(offer), isOpen = held !== undefined && book.offers.unjudged.has(held);
      if (!isOpen || !options.isWanted(held) && !options.urgent.has(offer)) this.#retryAtMs.delete(offer);
    }
    for (const { digest, signed: { body: offer } } of wanted.slice(0, MOST_OPEN - this.#open.size)) {
      const from = [offer.peer, ...options.connected.filter((peer) => peer !== offer.peer)]
        .filter((peer) => options.connected.includes(peer)).slice(0, MOST_DONORS);
      if (this.#open.size === 0) this.#busySinceMs = context.now;
      this.#open.add(digest);
      this.#retryAtMs.delete(digest);
      context.emit({ kind: "fetch", digest, offer, blob: offer.blob!, from });
    }
  }

  /** A fetch was answered; `retryInMs` if in vain. */
  answered(context: Context, offer: Digest, retryInMs: number | null): void {
    if (!this.#open.delete(offer)) return;
    if (this.#open.size === 0) this.#busyMs += context.now - this.#busySinceMs;
    if (retryInMs !== null) this.#retryAtMs.set(offer, context.now + retryInMs);
  }

  /** Milliseconds in which at least one fetch was open, since the last call. */
  takeTransferMs(): number {
    const busyMs = this.#busyMs;
    this.#busyMs = 0;
    return busyMs;
  }

  /** When the next retry is due. */
  get deadline(): number {
    return this.#open.size < MOST_OPEN ? Math.min(Infinity, ...this.#retryAtMs.values()) : Infinity;
  }

  #mayAsk(context: Context, { digest }: HeldOffer): boolean {
    return !this.#open.has(digest) && (this.#retryAtMs.get(digest) ?? context.now) <= context.now;
  }
}
