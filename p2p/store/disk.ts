/**
 * Blobs as files, one each, named by their digest in one folder.
 *
 * A file under its final name is whole: bytes are written beside it, synced, and renamed. What a disk may still do to it
 * later is found when it is read, by its digest. Blobs being fetched are sparse files in `partial/`; which of their
 * chunks are good is found by hashing them, so no second file can disagree with the first.
 * @module
 */
import type { BlobName, Digest } from "../sync/types.ts";
import { type BlobStore, CHUNK_BYTES, type PartialBlob } from "./blob_store.ts";
import { chunkCount, chunkListDigest, chunkOf, encodeChunkList, sha256 } from "./chunks.ts";
import { DiskPartialBlob } from "./disk_partial.ts";
import { nullIfAbsent, removeIfThere, syncFolder, writeAll } from "./files.ts";
import { KnownLists } from "./known_lists.ts";
import { scatter, sizeOfAll } from "./scatter.ts";
import { SharedFile } from "./shared_file.ts";
import { onDisk } from "./storage_error.ts";

const DIGEST_NAME = /^[0-9a-f]{64}$/;
/** Most unfinished blobs kept from before; those untouched for longest go. */
const MOST_PARTIALS = 64;

/**
 * Opens the store in a folder, which is created if absent. The caller holds the lock of the state folder.
 * @throws {StorageError}
 */
export async function openDiskBlobStore(folder: string): Promise<BlobStore> {
  await onDisk(`open the blob store ${folder}`, async () => {
    await Deno.mkdir(`${folder}/partial`, { recursive: true });
    for await (const { name } of Deno.readDir(folder)) {
      if (name.startsWith("writing-")) await Deno.remove(`${folder}/${name}`);
    }
    await dropOldPartials(`${folder}/partial`);
  });
  return new DiskBlobStore(folder);
}

class DiskBlobStore implements BlobStore {
  readonly #folder: string;
  readonly #partials = new Map<Digest, DiskPartialBlob>();
  readonly #lists = new KnownLists();
  /** Blobs that are being read. */
  readonly #reading = new Map<Digest, { readonly file: SharedFile; readers: number }>();
  #writes = 0;

  constructor(folder: string) {
    this.#folder = folder;
  }

  async has(digest: Digest): Promise<boolean> {
    return await this.sizeOf(digest) !== null;
  }

  async put(bytes: Uint8Array): Promise<Digest> {
    const temporary = `${this.#folder}/writing-${this.#writes++}`;
    return await onDisk(`store a blob of ${bytes.length} bytes in ${this.#folder}`, async () => {
      try {
        const list = await writeHashed(temporary, bytes), digest = await sha256(list);
        await Deno.rename(temporary, this.#path(digest));
        await syncFolder(this.#folder);
        this.#lists.set(digest, list);
        return digest;
      } catch (error) {
        await removeIfThere(temporary);
        throw error;
      }
    });
  }

  async get(digest: Digest): Promise<Uint8Array<ArrayBuffer> | null> {
    const bytes = new Uint8Array(await this.sizeOf(digest) ?? 0);
    return await this.read(digest, bytes) ? bytes : null;
  }

  async read(digest: Digest, ...into: readonly Uint8Array[]): Promise<boolean> {
    if (await this.sizeOf(digest) !== sizeOfAll(into)) return false;
    return await this.#hashed(digest, into) !== null;
  }

  async slice(digest: Digest, start: number, end: number): Promise<Uint8Array<ArrayBuffer> | null> {
    const reading = this.#reading.get(digest) ??
      { file: new SharedFile(this.#path(digest), { read: true }), readers: 0 };
    this.#reading.set(digest, reading);
    reading.readers++;
    try {
      return await onDisk(`read blob ${digest} in ${this.#folder}`, () => nullIfAbsent(reading.file.read(start, end)));
    } finally {
      if (--reading.readers === 0) this.#reading.delete(digest);
    }
  }

  chunkList(digest: Digest): Promise<Uint8Array<ArrayBuffer> | null> {
    return this.#lists.get(digest, () => this.#hashed(digest, []));
  }

  async sizeOf(digest: Digest): Promise<number | null> {
    const info = await onDisk(
      `look for blob ${digest} in ${this.#folder}`,
      () => nullIfAbsent(Deno.stat(this.#path(digest))),
    );
    return info?.size ?? null;
  }

  async delete(digest: Digest): Promise<void> {
    await onDisk(`delete blob ${digest} in ${this.#folder}`, async () => {
      await removeIfThere(this.#path(digest));
      await removeIfThere(`${this.#folder}/partial/${digest}`);
      this.#partials.delete(digest);
      this.#lists.forget(digest);
    });
  }

  list(): Promise<readonly Digest[]> {
    return this.#digestsIn(this.#folder);
  }

  async partials(): Promise<readonly BlobName[]> {
    const folder = `${this.#folder}/partial`, names: BlobName[] = [];
    for (const digest of await this.#digestsIn(folder)) {
      const info = await onDisk(`look for chunks in ${folder}`, () => nullIfAbsent(Deno.stat(`${folder}/${digest}`)));
      if (info === null) continue;
      names.push({ digest, sizeBytes: Math.max(info.size, this.#partials.get(digest)?.sizeBytes ?? 0) });
    }
    return names;
  }

  partial(digest: Digest, sizeBytes: number): Promise<PartialBlob> {
    const open = this.#partials.get(digest);
    if (open?.sizeBytes === sizeBytes) return Promise.resolve(open);
    const path = `${this.#folder}/partial/${digest}`;
    const partial = new DiskPartialBlob(digest, sizeBytes, {
      path,
      keep: async (list) => {
        await Deno.rename(path, this.#path(digest));
        await syncFolder(this.#folder);
        this.#partials.delete(digest);
        this.#lists.set(digest, list);
      },
    });
    this.#partials.set(digest, partial);
    return Promise.resolve(partial);
  }

  /**
   * Reads and hashes a blob, chunk by chunk, and copies it if told where to. Gives its encoded chunk list; null if it is
   * not there, or not what its name says: then it is dropped.
   */
  async #hashed(digest: Digest, into: readonly Uint8Array[]): Promise<Uint8Array<ArrayBuffer> | null> {
    const sizeBytes = await this.sizeOf(digest), chunks: Digest[] = [];
    if (sizeBytes === null) return null;
    for (let start = 0; start < sizeBytes; start += CHUNK_BYTES) {
      const chunk = await this.slice(digest, start, start + CHUNK_BYTES);
      if (chunk === null) return null;
      scatter(chunk, start, into);
      chunks.push(await sha256(chunk));
    }
    const list = { sizeBytes, chunks };
    if (await chunkListDigest(list) === digest) return encodeChunkList(list);
    await this.delete(digest);
    return null;
  }

  async #digestsIn(folder: string): Promise<readonly Digest[]> {
    const digests: Digest[] = [];
    await onDisk(`list the blobs in ${folder}`, async () => {
      for await (const { name } of Deno.readDir(folder)) if (DIGEST_NAME.test(name)) digests.push(name as Digest);
    });
    return digests.sort();
  }

  #path(digest: Digest): string {
    return `${this.#folder}/${digest}`;
  }
}

/** Writes bytes to a new file and syncs it; each chunk is hashed while it is written. Returns the encoded chunk list. */
async function writeHashed(path: string, bytes: Uint8Array): Promise<Uint8Array<ArrayBuffer>> {
  using file = await Deno.open(path, { write: true, create: true, truncate: true });
  const chunks: Digest[] = [];
  for (let index = 0; index < chunkCount(bytes.length); index++) {
    const chunk = chunkOf(bytes, index), [digest] = await Promise.all([sha256(chunk), writeAll(file, chunk)]);
    chunks.push(digest);
  }
  await file.sync();
  return encodeChunkList({ sizeBytes: bytes.length, chunks });
}

async function dropOldPartials(folder: string): Promise<void> {
  const found: { readonly name: string; readonly touched: number }[] = [];
  for await (const { name } of Deno.readDir(folder)) {
    const info = await Deno.stat(`${folder}/${name}`);
    found.push({ name, touched: info.mtime?.getTime() ?? 0 });
  }
  found.sort((a, b) => b.touched - a.touched);
  for (const { name } of found.slice(MOST_PARTIALS)) await Deno.remove(`${folder}/${name}`);
}
