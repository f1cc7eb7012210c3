/**
 * Blobs from a peer's disk to its learner, read to where they are needed: without a copy of them in between.
 * @module
 */
import type { Content, Learner } from "./learner.ts";
import type { BlobStore } from "./store/blob_store.ts";
import type { Digest } from "./sync/types.ts";

type Readable = Pick<BlobStore, "sizeOf" | "read">;

/** What should be read is not on this disk, or was damaged there. */
export class NotStoredError extends Error {
  override readonly name = "NotStoredError";

  constructor(digest: Digest) {
    super(`blob ${digest} is not on this disk any more`);
  }
}

/**
 * The content of a blob that is stored, behind its head, which is filled when that is read.
 * @throws {NotStoredError} if it is not there or is shorter than its head; reading, if it was damaged.
 */
export async function storedContent(store: Readable, digest: Digest, head = new Uint8Array()): Promise<Content> {
  const sizeBytes = await store.sizeOf(digest);
  if (sizeBytes === null || sizeBytes < head.length) throw new NotStoredError(digest);
  return {
    sizeBytes: sizeBytes - head.length,
    async readInto(into) {
      if (!await store.read(digest, head, into)) throw new NotStoredError(digest);
    },
  };
}

/**
 * Has the learner hold weights that are stored; gives the digest that it found. Null if they are not there, or were
 * damaged.
 * @throws {Error} what the learner says of them.
 */
export async function loadStored(
  learner: Pick<Learner, "load">,
  store: Readable,
  digest: Digest,
): Promise<Digest | null> {
  try {
    return await learner.load(await storedContent(store, digest));
  } catch (error) {
    if (error instanceof NotStoredError) return null;
    throw error;
  }
}
