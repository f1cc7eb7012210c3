/**
 * Sizes of blobs by digest, in the order in which they came, with their sum at hand.
 * @module
 */
import type { BlobName, Digest } from "../sync/types.ts";

export class Sizes {
  readonly #sizes = new Map<Digest, number>();
  #totalBytes = 0;

  constructor(blobs: readonly BlobName[]) {
    for (const { digest, sizeBytes } of blobs) this.set(digest, sizeBytes);
  }

  get totalBytes(): number {
    return this.#totalBytes;
  }

  digests(): IterableIterator<Digest> {
    return this.#sizes.keys();
  }

  has(digest: Digest): boolean {
    return this.#sizes.has(digest);
  }

  of(digest: Digest): number {
    return this.#sizes.get(digest) ?? 0;
  }

  set(digest: Digest, sizeBytes: number): void {
    this.#totalBytes += sizeBytes - this.of(digest);
    this.#sizes.set(digest, sizeBytes);
  }

  /** Returns the bytes that it had. */
  remove(digest: Digest): number {
    const sizeBytes = this.of(digest);
    this.#totalBytes -= sizeBytes;
    this.#sizes.delete(digest);
    return sizeBytes;
  }
}
