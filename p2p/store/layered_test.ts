import { strict as assert } from "node:assert";
import { testBlobStore } from "../../tests/conformance/blob_store.ts";
import { layered } from "./layered.ts";
import { MemoryBlobStore } from "./memory.ts";

testBlobStore("layered()", () => {
  const store = layered(new MemoryBlobStore(), new MemoryBlobStore());
  return Promise.resolve({
    open: () => Promise.resolve(store),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  });
});

Deno.test("layered() reads what only the lower store holds, and neither lists nor deletes it", async () => {
  const below = new MemoryBlobStore(), store = layered(new MemoryBlobStore(), below);
  const bytes = new TextEncoder().encode("a shard of the run's text");
  const digest = await below.put(bytes);
  assert.deepEqual(await store.get(digest), bytes);
  assert.deepEqual(await store.slice(digest, 2, 7), bytes.slice(2, 7));
  assert.equal(await store.sizeOf(digest), bytes.length);
  assert.deepEqual(await store.list(), []);
  await store.delete(digest);
  assert.ok(await store.has(digest));
});
