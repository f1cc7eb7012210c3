/**
 * A blob on its way to disk: a sparse file, of which the chunks that were checked are held.
 *
 * What is written is synced while more is fetched, so that `finish` has little left to wait for.
 * @module
 */
import type { Digest } from "../sync/types.ts";
import type { PartialBlob } from "./blob_store.ts";
import { checkChunk, checkChunkList, checkComplete, chunkSpan, encodeChunkList, sha256 } from "./chunks.ts";
import { nullIfAbsent, readAt } from "./files.ts";
import { SharedFile } from "./shared_file.ts";
import { onDisk } from "./storage_error.ts";

/** After so many bytes more, what is written is synced. */
const SYNCED_BYTES = 16 * 1024 * 1024;

export interface PartialPlace {
  readonly path: string;
  /** Makes the whole file readable under its digest. */
  readonly keep: (encodedList: Uint8Array<ArrayBuffer>) => Promise<void>;
}

export class DiskPartialBlob implements PartialBlob {
  readonly sizeBytes: number;
  readonly #digest: Digest;
  readonly #place: PartialPlace;
  readonly #file: SharedFile;
  readonly #held = new Set<number>();
  #chunks: readonly Digest[] | null = null;
  #unsyncedBytes = 0;
  /** Null while none is under way. Resolves with what went wrong. */
  #syncing: Promise<unknown> | null = null;
  #syncError: unknown = null;

  constructor(digest: Digest, sizeBytes: number, place: PartialPlace) {
    this.#digest = digest;
    this.sizeBytes = sizeBytes;
    this.#place = place;
    this.#file = new SharedFile(place.path, { write: true, create: true });
  }

  held(): Promise<readonly number[]> {
    return Promise.resolve([...this.#held].sort((a, b) => a - b));
  }

  async begin(chunkDigests: readonly Digest[]): Promise<void> {
    await checkChunkList(this.#digest, { sizeBytes: this.sizeBytes, chunks: chunkDigests });
    if (this.#chunks !== null) return;
    await onDisk(`resume blob ${this.#digest}`, async () => {
      using file = await nullIfAbsent(Deno.open(this.#place.path));
      if (file === null) return;
      const written = (await file.stat()).size;
      for (const [index, wanted] of chunkDigests.entries()) {
        const { start, end } = chunkSpan(this.sizeBytes, index);
        if (end > written) break;
        if (await sha256(await readAt(file, start, end)) === wanted) this.#held.add(index);
      }
    });
    this.#chunks = chunkDigests;
  }

  async write(index: number, bytes: Uint8Array<ArrayBuffer>): Promise<void> {
    await checkChunk(this.#digest, this.#chunks, { index, bytes });
    const { start } = chunkSpan(this.sizeBytes, index);
    await onDisk(`store chunk ${index} of blob ${this.#digest}`, () => this.#file.write(start, bytes));
    this.#held.add(index);
    this.#unsyncedBytes += bytes.length;
    if (this.#unsyncedBytes >= SYNCED_BYTES && this.#syncing === null) this.#syncing = this.#sync();
  }

  async finish(): Promise<void> {
    const chunks = this.#chunks;
    checkComplete(this.#digest, chunks, this.#held);
    await this.#syncing;
    await onDisk(`store blob ${this.#digest}`, async () => {
      if (this.#syncError !== null) throw this.#syncError; // the system tells of it once
      using file = await Deno.open(this.#place.path, { write: true, create: true });
      await file.truncate(this.sizeBytes);
      await file.sync();
      await this.#place.keep(encodeChunkList({ sizeBytes: this.sizeBytes, chunks: chunks ?? [] }));
    });
  }

  /** By a handle of its own, so that writing goes on. */
  async #sync(): Promise<void> {
    this.#unsyncedBytes = 0;
    try {
      using file = await nullIfAbsent(Deno.open(this.#place.path, { write: true }));
      await file?.syncData();
    } catch (error) {
      this.#syncError ??= error;
    } finally {
      this.#syncing = null;
    }
  }
}
