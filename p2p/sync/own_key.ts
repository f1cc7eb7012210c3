/**
 * Whether somebody else signs with this peer's key: seen in the history, however the two may be connected.
 *
 * An offer of this peer that it does not know may be its own all the same: made before a disk was lost. But one that was
 * trained on a history which counts an offer of this very life was made after that offer, by another process.
 * @module
 */
import type { Book } from "./book.ts";
import type { Digest, PeerId } from "./types.ts";

/** Own offers of this life that are remembered, newest last: more than a history shows. */
const MOST_MADE = 256;

export class OwnKey {
  /** Of former lives, from the journal. */
  readonly #restored = new Set<Digest>();
  readonly #made = new Set<Digest>();

  restored(offer: Digest): void {
    this.#restored.add(offer);
  }

  made(offer: Digest): void {
    this.#made.add(offer);
    for (const oldest of this.#made) {
      if (this.#made.size <= MOST_MADE) break;
      this.#made.delete(oldest);
    }
  }

  /** Why this peer has to stop, or null. */
  whyStop(book: Book, self: PeerId): string | null {
    for (const { digest, signed: { body } } of book.offers.values()) {
      if (body.peer !== self || this.#made.has(digest) || this.#restored.has(digest)) continue;
      const ground = book.links.get(body.parent);
      if (ground === undefined) continue;
      for (const { record } of book.ancestry(ground)) {
        if (!record.body.counted.some(({ offer }) => this.#made.has(offer))) continue;
        return `another machine runs with this peer's key: offer ${
          digest.slice(0, 8)
        }… of round ${body.round} was made ` +
          "there. Stop that one, or give this one a key of its own: delete identity.key in its folder";
      }
    }
    return null;
  }
}
