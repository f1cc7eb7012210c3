/**
 * What every blob store must do. Providers call `testBlobStore` from their own tests.
 * @module
 */
import { strict as assert } from "node:assert";
import { type BlobStore, CHUNK_BYTES } from "../../p2p/store/blob_store.ts";
import { blobDigest, chunkListOf, chunkSpan, decodeChunkList } from "../../p2p/store/chunks.ts";
import type { Digest } from "../../p2p/sync/types.ts";

/** A place that can be opened again, as after a restart. */
export interface BlobStorePlace extends AsyncDisposable {
  open(): Promise<BlobStore>;
}

const NOBODY = "0".repeat(64) as Digest;

export function testBlobStore(name: string, place: () => Promise<BlobStorePlace>): void {
  const test = (sentence: string, body: (store: BlobStore, place: BlobStorePlace) => Promise<void>) =>
    Deno.test(`${name} ${sentence}`, async () => {
      await using there = await place();
      await body(await there.open(), there);
    });

  for (const sizeBytes of [0, 1, CHUNK_BYTES, CHUNK_BYTES + 1, 3 * CHUNK_BYTES - 7]) {
    test(`gives back ${sizeBytes} bytes under their digest`, async (store) => {
      const bytes = pattern(sizeBytes);
      const digest = await store.put(bytes);
      assert.equal(digest, await blobDigest(bytes));
      assert.deepEqual(await store.get(digest), bytes);
      assert.equal(await store.sizeOf(digest), sizeBytes);
      assert.equal(await store.has(digest), true);
      assert.deepEqual(await store.list(), [digest]);
    });
  }

  test("says of an unknown blob that it is not there", async (store) => {
    assert.equal(await store.get(NOBODY), null);
    assert.equal(await store.slice(NOBODY, 0, 1), null);
    assert.equal(await store.sizeOf(NOBODY), null);
    assert.equal(await store.has(NOBODY), false);
    await store.delete(NOBODY);
    assert.deepEqual(await store.list(), []);
  });

  test("keeps its own copy of what it is given and gives out copies", async (store) => {
    const bytes = pattern(100);
    const digest = await store.put(bytes);
    bytes.fill(0);
    (await store.get(digest))!.fill(1);
    assert.deepEqual(await store.get(digest), pattern(100));
  });

  test("gives parts, and less at the end of a blob", async (store) => {
    const bytes = pattern(CHUNK_BYTES + 10);
    const digest = await store.put(bytes);
    assert.deepEqual(await store.slice(digest, 5, 15), bytes.slice(5, 15));
    assert.deepEqual(await store.slice(digest, CHUNK_BYTES, CHUNK_BYTES + 99), bytes.slice(CHUNK_BYTES));
    assert.deepEqual(await store.slice(digest, CHUNK_BYTES * 2, CHUNK_BYTES * 3), new Uint8Array());
  });

  test("gives the chunk list of what was put, put together, or lay there when it was opened", async (store, place) => {
    const bytes = pattern(2 * CHUNK_BYTES + 3), list = await chunkListOf(bytes), digest = await blobDigest(bytes);
    assert.equal(await store.chunkList(digest), null);
    const partial = await store.partial(digest, bytes.length);
    await partial.begin(list.chunks);
    for (const index of [0, 1, 2]) await partial.write(index, chunk(bytes, index));
    assert.equal(await store.chunkList(digest), null);
    await partial.finish();
    assert.deepEqual(decodeChunkList((await store.chunkList(digest))!), list);
    await store.delete(digest);
    assert.equal(await store.chunkList(digest), null);
    await store.put(bytes);
    for (const opened of [store, await place.open()]) {
      assert.deepEqual(decodeChunkList((await opened.chunkList(digest))!), list);
    }
  });

  test("stores bytes in shared memory under the name that they have elsewhere", async (store) => {
    const bytes = pattern(CHUNK_BYTES + 10), shared = new Uint8Array(new SharedArrayBuffer(bytes.length));
    shared.set(bytes);
    assert.equal(await store.put(shared), await blobDigest(bytes));
    assert.deepEqual(await store.get(await blobDigest(bytes)), bytes);
  });

  test("reads a blob into memory of its size, shared or not, and into no other", async (store) => {
    const bytes = pattern(2 * CHUNK_BYTES + 3), digest = await store.put(bytes), { length } = bytes;
    for (const into of [new Uint8Array(length), new Uint8Array(new SharedArrayBuffer(length))]) {
      assert.equal(await store.read(digest, into), true);
      assert.deepEqual(new Uint8Array(into), bytes);
    }
    const all = new Uint8Array(length), cuts = [0, 32, 32, CHUNK_BYTES + 1, length]; // one is empty, one ends in a chunk
    const parts = cuts.map((start, i) => all.subarray(start, cuts[i + 1] ?? length));
    assert.equal(await store.read(digest, ...parts), true);
    assert.deepEqual(all, bytes);
    assert.equal(await store.read(digest, new Uint8Array(1), new Uint8Array(length)), false);
    assert.equal(await store.read(digest, new Uint8Array(length - 1)), false);
    assert.equal(await store.read(NOBODY, new Uint8Array(length)), false);
    assert.equal(await store.has(digest), true);
  });

  test("gives parts of a blob to many at once, in any order", async (store) => {
    const bytes = pattern(3 * CHUNK_BYTES), digest = await store.put(bytes);
    const starts = [2, 0, 1, 1, 0, 2].map((index) => index * CHUNK_BYTES + 100);
    const parts = await Promise.all(starts.map((start) => store.slice(digest, start, start + 1000)));
    assert.deepEqual(parts, starts.map((start) => bytes.slice(start, start + 1000)));
  });

  test("lists blobs sorted and forgets a deleted one", async (store) => {
    const digests = [];
    for (let i = 1; i <= 5; i++) digests.push(await store.put(pattern(i)));
    assert.deepEqual(await store.list(), digests.toSorted());
    await store.delete(digests[2]!);
    assert.equal(await store.has(digests[2]!), false);
    assert.equal(await store.get(digests[2]!), null);
    assert.equal((await store.list()).length, 4);
  });

  test("puts a blob together from chunks in any order", async (store) => {
    const bytes = pattern(2 * CHUNK_BYTES + 3), list = await chunkListOf(bytes), digest = await blobDigest(bytes);
    const partial = await store.partial(digest, bytes.length);
    await partial.begin(list.chunks);
    for (const index of [2, 0, 1]) await partial.write(index, chunk(bytes, index));
    assert.equal(await store.has(digest), false);
    assert.deepEqual(await partial.held(), [0, 1, 2]);
    await partial.finish();
    assert.deepEqual(await store.get(digest), bytes);
  });

  test("refuses a wrong chunk, a chunk that is none, a wrong list and an early finish", async (store) => {
    const bytes = pattern(2 * CHUNK_BYTES), list = await chunkListOf(bytes), digest = await blobDigest(bytes);
    const partial = await store.partial(digest, bytes.length);
    await assert.rejects(partial.write(0, chunk(bytes, 0)), /Cannot keep chunk 0 .* wanted no such chunk/);
    await assert.rejects(partial.begin([list.chunks[0]!]), /its chunk list gives a list of another length/);
    await assert.rejects(partial.begin(list.chunks.toReversed()), /its chunk list gives [0-9a-f]{64}/);
    await partial.begin(list.chunks);
    await assert.rejects(partial.write(1, chunk(bytes, 0)), /Cannot keep chunk 1/);
    await assert.rejects(partial.write(2, chunk(bytes, 0)), /Cannot keep chunk 2 .* no such chunk/);
    await assert.rejects(partial.finish(), /0 of 2 chunks are held/);
    assert.deepEqual(await partial.held(), []);
    assert.equal(await store.has(digest), false);
  });

  test("keeps the chunks of an unfinished blob when it is asked for it again", async (store, place) => {
    const bytes = pattern(3 * CHUNK_BYTES - 1), list = await chunkListOf(bytes), digest = await blobDigest(bytes);
    const first = await store.partial(digest, bytes.length);
    await first.begin(list.chunks);
    await first.write(2, chunk(bytes, 2));

    const again = await place.open();
    const second = await again.partial(digest, bytes.length);
    await second.begin(list.chunks);
    assert.deepEqual(await second.held(), [2]);
    for (const index of [0, 1]) await second.write(index, chunk(bytes, index));
    await second.finish();
    assert.deepEqual(await again.get(digest), bytes);
  });

  test("lists unfinished blobs apart, with the bytes that they will take, and forgets both", async (store) => {
    const bytes = pattern(2 * CHUNK_BYTES), list = await chunkListOf(bytes), digest = await blobDigest(bytes);
    const whole = await store.put(pattern(100));
    const partial = await store.partial(digest, bytes.length);
    await partial.begin(list.chunks);
    await partial.write(0, chunk(bytes, 0)); // room is taken for all of it
    assert.deepEqual([await store.list(), await store.partials()], [[whole], [{ digest, sizeBytes: bytes.length }]]);
    await store.delete(digest);
    assert.deepEqual([await store.list(), await store.partials()], [[whole], []]);
    await store.delete(whole);
    assert.deepEqual(await store.list(), []);
  });

  test("puts an empty blob together", async (store) => {
    const digest = await blobDigest(new Uint8Array());
    const partial = await store.partial(digest, 0);
    await partial.begin([]);
    await partial.finish();
    assert.deepEqual(await store.get(digest), new Uint8Array());
  });
}

/** Bytes without chance and without a period that divides a chunk. */
export function pattern(sizeBytes: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(sizeBytes);
  for (let i = 0; i < sizeBytes; i++) bytes[i] = (i * 31 + (i >> 8) * 7 + sizeBytes) % 251;
  return bytes;
}

function chunk(bytes: Uint8Array<ArrayBuffer>, index: number): Uint8Array<ArrayBuffer> {
  const { start, end } = chunkSpan(bytes.length, index);
  return bytes.slice(start, end);
}
