/**
 * One peer's disk. A store and a journal promise that what they have confirmed is there after a power cut, so it is;
 * what a disk that breaks its promise may do is done on purpose: a journal that ends early, blobs that cannot be read.
 * @module
 */
import { bodyDigest } from "../../p2p/sync/digest.ts";
import type { JournalEntry } from "../../p2p/sync/effects.ts";
import type { Digest } from "../../p2p/sync/types.ts";
import type { Chance } from "../chance.ts";
import type { DiskDamage } from "./weather.ts";

export class SimDisk {
  readonly #journal: JournalEntry[] = [];
  readonly #blobs: Set<Digest>;
  readonly #damaged = new Set<Digest>();
  /** Deleted since the last start: a deletion is not synced, so a power cut brings the blob back. */
  readonly #deleted = new Set<Digest>();
  /** Offers that a cut journal lost. */
  readonly #forgotten = new Set<Digest>();
  #isCut = false;
  #wasDamaged = false;

  /** @param permanent Blobs that the run's folder brings along. */
  constructor(permanent: readonly Digest[]) {
    this.#blobs = new Set(permanent);
  }

  get journal(): readonly JournalEntry[] {
    return this.#journal;
  }

  get blobCount(): number {
    return this.#blobs.size;
  }

  /** Whether it ever broke what it had promised. */
  get wasDamaged(): boolean {
    return this.#wasDamaged;
  }

  append(entry: JournalEntry): void {
    this.#journal.push(entry);
  }

  put(blob: Digest): void {
    this.#blobs.add(blob);
    this.#damaged.delete(blob);
    this.#deleted.delete(blob);
  }

  delete(blob: Digest): void {
    if (this.#blobs.delete(blob)) this.#deleted.add(blob);
  }

  /** Whether there is a file of this name, whole or not. */
  has(blob: Digest): boolean {
    return this.#blobs.has(blob);
  }

  /** Reads a blob and drops it if it is damaged, as the real store does. */
  read(blob: Digest): boolean {
    if (this.#damaged.delete(blob)) this.#blobs.delete(blob);
    return this.#blobs.has(blob);
  }

  /** Whether a cut journal has lost this offer. */
  hasForgotten(offer: Digest): boolean {
    return this.#forgotten.has(offer);
  }

  /** Whether the blob could be read. */
  isWhole(blob: Digest): boolean {
    return this.#blobs.has(blob) && !this.#damaged.has(blob);
  }

  powerCut(damage: DiskDamage, draw: Chance): void {
    for (const blob of this.#deleted) this.#blobs.add(blob);
    this.#deleted.clear();
    if (damage === null) return;
    this.#wasDamaged = true;
    if (damage.kind === "cut journal") {
      for (const entry of this.#journal.splice(Math.max(0, this.#journal.length - damage.entries))) {
        if (entry.kind === "offer") this.#forgotten.add(bodyDigest(entry.offer.body));
      }
      this.#isCut = true;
    } else if (damage.kind === "damaged weights") {
      for (const entry of this.#journal) if (entry.kind === "state") this.#damaged.add(entry.weights.digest);
    } else {
      for (const blob of this.#blobs) if (draw.happens(damage.share)) this.#damaged.add(blob);
    }
  }

  /** A starting host drops blobs that nothing names, unless the journal was cut. */
  dropUnnamed(initial: Digest): void {
    this.#deleted.clear();
    if (this.#isCut) {
      this.#isCut = false;
      return;
    }
    const named = new Set([initial]);
    for (const entry of this.#journal) {
      if (entry.kind === "state") named.add(entry.weights.digest);
      if (entry.kind === "offer" && entry.offer.body.blob !== null) named.add(entry.offer.body.blob.digest);
    }
    for (const blob of this.#blobs) if (!named.has(blob)) this.#blobs.delete(blob);
  }
}
