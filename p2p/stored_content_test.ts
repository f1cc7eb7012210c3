import { strict as assert } from "node:assert";
import { bytesIn } from "./learner.ts";
import { MemoryBlobStore } from "./store/memory.ts";
import { loadStored, storedContent } from "./stored_content.ts";
import type { Digest } from "./sync/types.ts";

const NOBODY = "0".repeat(64) as Digest;

Deno.test("a stored blob is read behind its head, and the head beside it", async () => {
  const store = new MemoryBlobStore(), digest = await store.put(Uint8Array.of(1, 2, 3, 4, 5)), head = new Uint8Array(2);
  const content = await storedContent(store, digest, head);
  assert.equal(content.sizeBytes, 3);
  assert.deepEqual(await bytesIn(content), Uint8Array.of(3, 4, 5));
  assert.deepEqual(head, Uint8Array.of(1, 2));
});

Deno.test("a blob that is not there, too short for its head, or damaged is told by its name", async () => {
  const store = new MemoryBlobStore(), digest = await store.put(Uint8Array.of(1, 2, 3));
  const gone = (digest: Digest) => ({ name: "NotStoredError", message: `blob ${digest} is not on this disk any more` });
  await assert.rejects(storedContent(store, NOBODY), gone(NOBODY));
  await assert.rejects(storedContent(store, digest, new Uint8Array(4)), gone(digest));
  const content = await storedContent(store, digest);
  await store.delete(digest);
  await assert.rejects(bytesIn(content), gone(digest));
});

Deno.test("weights that are not stored are null to the learner, and what it says of those that are is passed on", async () => {
  const store = new MemoryBlobStore(), digest = await store.put(Uint8Array.of(1, 2, 3));
  const learner = { load: async (weights: Parameters<typeof bytesIn>[0]) => (await bytesIn(weights), digest) };
  assert.equal(await loadStored(learner, store, digest), digest);
  assert.equal(await loadStored(learner, store, NOBODY), null);
  const strict = { load: () => Promise.reject(new Error("they are of another run")) };
  await assert.rejects(loadStored(strict, store, digest), /of another run/);
});
