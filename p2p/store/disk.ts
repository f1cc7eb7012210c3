/**
 * Blobs as files, one each, named by their digest in one folder.
 *
 * A file under its final name is whole: bytes are written beside it, synced, and renamed. What a disk may still do to it
 * later is found when it is read, by its digest. Blobs being fetched are sparse files in `partial/`; which of their
 * chunks are good is found by hashing them, so no second file can disagree with the first.
 * @module
 */
import type { BlobName, Digest } from "../sync/types.ts";
import type { BlobStore, PartialBlob } from "./blob_store.ts";
import { blobDigest, checkChunk, checkChunkList, checkComplete, chunkSpan, sha256 } from "./chunks.ts";
import { nullIfAbsent, readAt, removeIfThere, syncFolder, writeAll } from "./files.ts";
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
  #writes = 0;

  constructor(folder: string) {
    this.#folder = folder;
  }

  async has(digest: Digest): Promise<boolean> {
    return await this.sizeOf(digest) !== null;
  }

  async put(bytes: Uint8Array<ArrayBuffer>): Promise<Digest> {
    const digest = await blobDigest(bytes);
    const temporary = `${this.#folder}/writing-${this.#writes++}`;
    await onDisk(`store blob ${digest} in ${this.#folder}`, async () => {
      try {
        using file = await Deno.open(temporary, { write: true, create: true, truncate: true });
        await writeAll(file, bytes);
        await file.sync();
        await Deno.rename(temporary, this.#path(digest));
      } catch (error) {
        await removeIfThere(temporary);
        throw error;
      }
      await syncFolder(this.#folder);
    });
    return digest;
  }

  async get(digest: Digest): Promise<Uint8Array<ArrayBuffer> | null> {
    const bytes = await this.slice(digest, 0, Infinity);
    if (bytes === null || await blobDigest(bytes) === digest) return bytes;
    await this.delete(digest);
    return null;
  }

  async slice(digest: Digest, start: number, end: number): Promise<Uint8Array<ArrayBuffer> | null> {
    return await onDisk(`read blob ${digest} in ${this.#folder}`, async () => {
      using file = await nullIfAbsent(Deno.open(this.#path(digest)));
      return file === null ? null : await readAt(file, start, end);
    });
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
    const partial = new DiskPartialBlob(digest, sizeBytes, {
      path: `${this.#folder}/partial/${digest}`,
      keep: async (path) => {
        await Deno.rename(path, this.#path(digest));
        await syncFolder(this.#folder);
        this.#partials.delete(digest);
      },
    });
    this.#partials.set(digest, partial);
    return Promise.resolve(partial);
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

async function dropOldPartials(folder: string): Promise<void> {
  const found: { readonly name: string; readonly touched: number }[] = [];
  for await (const { name } of Deno.readDir(folder)) {
    const info = await Deno.stat(`${folder}/${name}`);
    found.push({ name, touched: info.mtime?.getTime() ?? 0 });
  }
  found.sort((a, b) => b.touched - a.touched);
  for (const { name } of found.slice(MOST_PARTIALS)) await Deno.remove(`${folder}/${name}`);
}

class DiskPartialBlob implements PartialBlob {
  readonly sizeBytes: number;
  readonly #path: string;
  readonly #digest: Digest;
  readonly #keep: (path: string) => Promise<void>;
  readonly #held = new Set<number>();
  #chunks: readonly Digest[] | null = null;

  constructor(
    digest: Digest,
    sizeBytes: number,
    place: { readonly path: string; readonly keep: (path: string) => Promise<void> },
  ) {
    this.#digest = digest;
    this.sizeBytes = sizeBytes;
    this.#path = place.path;
    this.#keep = place.keep;
  }

  held(): Promise<readonly number[]> {
    return Promise.resolve([...this.#held].sort((a, b) => a - b));
  }

  async begin(chunkDigests: readonly Digest[]): Promise<void> {
    await checkChunkList(this.#digest, { sizeBytes: this.sizeBytes, chunks: chunkDigests });
    if (this.#chunks !== null) return;
    await onDisk(`resume blob ${this.#digest}`, async () => {
      using file = await nullIfAbsent(Deno.open(this.#path));
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
    await onDisk(`store chunk ${index} of blob ${this.#digest}`, async () => {
      using file = await Deno.open(this.#path, { write: true, create: true });
      await file.seek(chunkSpan(this.sizeBytes, index).start, Deno.SeekMode.Start);
      await writeAll(file, bytes);
    });
    this.#held.add(index);
  }

  async finish(): Promise<void> {
    checkComplete(this.#digest, this.#chunks, this.#held);
    await onDisk(`store blob ${this.#digest}`, async () => {
      using file = await Deno.open(this.#path, { write: true, create: true });
      await file.truncate(this.sizeBytes);
      await file.sync();
      await this.#keep(this.#path);
    });
  }
}
