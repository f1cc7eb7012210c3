/**
 * Whether somebody else signs with this peer's key: seen in the history, however the two may be connected.
 *
 * An offer of this peer that it does not know may be its own all the same: made before a disk was lost. But one that was
 * trained on a history which counts work of this very life was made after that offer, by another process.
 * @module
 */
import type { Book } from "./book.ts";
import type { Link } from "./link.ts";
import type { Digest, Offer } from "./types.ts";

/** Own offers of this life that are remembered, newest last: more than a history shows. */
const MOST_MADE = 256;
/** Offers that wait for the record they were trained on to be known. */
const MOST_SUSPECT = 64;

export class OwnKey {
  /** Of former lives, from the journal. */
  readonly #restored = new Set<Digest>();
  readonly #made = new Set<Digest>();
  /** Those with work in them: what only asks to be admitted is the same again in another life. */
  readonly #worked = new Set<Digest>();
  /** Signed with this key, heard from others, and not known to be made here. */
  readonly #suspect = new Set<Digest>();

  restored(offer: Digest): void {
    this.#restored.add(offer);
  }

  made(offer: Digest, { blob }: Offer): void {
    add(this.#made, offer, MOST_MADE);
    if (blob !== null) add(this.#worked, offer, MOST_MADE);
  }

  /** Another peer passed on an offer of this peer's. */
  heard(offer: Digest): void {
    if (!this.#made.has(offer) && !this.#restored.has(offer)) add(this.#suspect, offer, MOST_SUSPECT);
  }

  /** Why this peer has to stop, or null. */
  whyStop(book: Book): string | null {
    for (const digest of this.#suspect) {
      const body = book.offers.find(digest)?.signed.body, ground = body && book.links.get(body.parent);
      if (ground === undefined) continue; // judged when its record is known
      const counts = ({ record }: Link): boolean => record.body.counted.some(({ offer }) => this.#worked.has(offer));
      if (!book.ancestry.of(ground).some(counts)) {
        this.#suspect.delete(digest);
        continue;
      }
      const made = `offer ${digest.slice(0, 8)}… of round ${body!.round} was made there`;
      return `another machine runs with this peer's key: ${made}. ` +
        "Stop that one, or give this one a key of its own: delete identity.key in its folder";
    }
    return null;
  }
}

function add(set: Set<Digest>, digest: Digest, most: number): void {
  set.add(digest);
  for (const oldest of set) {
    if (set.size <= most) break;
    set.delete(oldest);
  }
}
