/**
 * Blobs in memory: for tests, simulations and browsers. Nothing survives the process.
 * @module
 */
import type { BlobName, Digest } from "../sync/types.ts";
import type { BlobStore, PartialBlob } from "./blob_store.ts";
import {
  blobDigest,
  checkChunk,
  checkChunkList,
  checkComplete,
  chunkListOf,
  chunkSpan,
  encodeChunkList,
} from "./chunks.ts";
import { KnownLists } from "./known_lists.ts";
import { scatter, sizeOfAll } from "./scatter.ts";

/** A blob store that ends with the process. */
export class MemoryBlobStore implements BlobStore {
  readonly #blobs = new Map<Digest, Uint8Array<ArrayBuffer>>();
  readonly #partials = new Map<Digest, MemoryPartialBlob>();
  readonly #lists = new KnownLists();

  has(digest: Digest): Promise<boolean> {
    return Promise.resolve(this.#blobs.has(digest));
  }

  async put(bytes: Uint8Array): Promise<Digest> {
    const kept = new Uint8Array(bytes);
    const digest = await blobDigest(kept);
    this.#keep(digest, kept);
    return digest;
  }

  get(digest: Digest): Promise<Uint8Array<ArrayBuffer> | null> {
    return Promise.resolve(this.#blobs.get(digest)?.slice() ?? null);
  }

  read(digest: Digest, ...into: readonly Uint8Array[]): Promise<boolean> {
    const bytes = this.#blobs.get(digest);
    if (bytes?.length !== sizeOfAll(into)) return Promise.resolve(false);
    scatter(bytes, 0, into);
    return Promise.resolve(true);
  }

  slice(digest: Digest, start: number, end: number): Promise<Uint8Array<ArrayBuffer> | null> {
    return Promise.resolve(this.#blobs.get(digest)?.slice(start, end) ?? null);
  }

  sizeOf(digest: Digest): Promise<number | null> {
    return Promise.resolve(this.#blobs.get(digest)?.length ?? null);
  }

  chunkList(digest: Digest): Promise<Uint8Array<ArrayBuffer> | null> {
    return this.#lists.get(digest, async () => {
      const bytes = this.#blobs.get(digest);
      return bytes === undefined ? null : encodeChunkList(await chunkListOf(bytes));
    });
  }

  delete(digest: Digest): Promise<void> {
    this.#lists.forget(digest);
    this.#blobs.delete(digest);
    this.#partials.delete(digest);
    return Promise.resolve();
  }

  list(): Promise<readonly Digest[]> {
    return Promise.resolve([...this.#blobs.keys()].sort());
  }

  partials(): Promise<readonly BlobName[]> {
    const names = [...this.#partials].map(([digest, { sizeBytes }]) => ({ digest, sizeBytes }));
    return Promise.resolve(names.sort((a, b) => a.digest < b.digest ? -1 : 1));
  }

  partial(digest: Digest, sizeBytes: number): Promise<PartialBlob> {
    let partial = this.#partials.get(digest);
    if (partial?.sizeBytes !== sizeBytes) {
      partial = new MemoryPartialBlob(digest, sizeBytes, (bytes) => this.#keep(digest, bytes));
      this.#partials.set(digest, partial);
    }
    return Promise.resolve(partial);
  }

  #keep(digest: Digest, bytes: Uint8Array<ArrayBuffer>): void {
    this.#blobs.set(digest, bytes);
    this.#partials.delete(digest);
  }
}

class MemoryPartialBlob implements PartialBlob {
  readonly sizeBytes: number;
  readonly #digest: Digest;
  readonly #keep: (bytes: Uint8Array<ArrayBuffer>) => void;
  readonly #bytes: Uint8Array<ArrayBuffer>;
  readonly #held = new Set<number>();
  #chunks: readonly Digest[] | null = null;

  constructor(digest: Digest, sizeBytes: number, keep: (bytes: Uint8Array<ArrayBuffer>) => void) {
    this.#digest = digest;
    this.sizeBytes = sizeBytes;
    this.#keep = keep;
    this.#bytes = new Uint8Array(sizeBytes);
  }

  held(): Promise<readonly number[]> {
    return Promise.resolve([...this.#held].sort((a, b) => a - b));
  }

  async begin(chunkDigests: readonly Digest[]): Promise<void> {
    // The name fixes the list, so a list that passes is the one that the held chunks were checked against.
    await checkChunkList(this.#digest, { sizeBytes: this.sizeBytes, chunks: chunkDigests });
    this.#chunks = chunkDigests;
  }

  async write(index: number, bytes: Uint8Array<ArrayBuffer>): Promise<void> {
    const copy = bytes.slice();
    await checkChunk(this.#digest, this.#chunks, { index, bytes: copy });
    this.#bytes.set(copy, chunkSpan(this.sizeBytes, index).start);
    this.#held.add(index);
  }

  // deno-lint-ignore require-await -- what it throws must be a rejection
  async finish(): Promise<void> {
    checkComplete(this.#digest, this.#chunks, this.#held);
    this.#keep(this.#bytes);
  }
}
