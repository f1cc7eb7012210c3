/**
 * Weights between a peer's disk and its learner, each way without a copy of all of them in between.
 * @module
 */
import type { Learner } from "./learner.ts";
import type { BlobStore } from "./store/blob_store.ts";
import type { Digest } from "./sync/types.ts";

/**
 * Has the learner hold weights that are stored; gives the digest that it found. Null if they are not there, or were
 * damaged.
 * @throws {Error} what the learner says of them.
 */
export async function loadStored(
  learner: Pick<Learner, "load">,
  store: Pick<BlobStore, "sizeOf" | "read">,
  digest: Digest,
): Promise<Digest | null> {
  const sizeBytes = await store.sizeOf(digest);
  if (sizeBytes === null) return null;
  let isRead = true;
  const readInto = async (into: Uint8Array): Promise<void> => {
    isRead = await store.read(digest, into);
    if (!isRead) throw new Error(`Cannot load weights ${digest}: they were damaged on this disk`);
  };
  try {
    return await learner.load({ sizeBytes, readInto });
  } catch (error) {
    if (isRead) throw error;
    return null;
  }
}
