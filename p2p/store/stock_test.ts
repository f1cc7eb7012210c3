import { strict as assert } from "node:assert";
import { chance } from "../../tests/chance.ts";
import { pattern, testBlobStore } from "../../tests/conformance/blob_store.ts";
import type { Digest } from "../sync/types.ts";
import { type BlobStore, CHUNK_BYTES } from "./blob_store.ts";
import { blobDigest, chunkListOf, chunkSpan } from "./chunks.ts";
import { openDiskBlobStore } from "./disk.ts";
import { MemoryBlobStore } from "./memory.ts";
import { openStock, type Stock } from "./stock.ts";
import { StorageError } from "./storage_error.ts";
import type { Need } from "./uses.ts";

testBlobStore("Stock", async () => {
  const store = await openStock(new MemoryBlobStore(), { mostBytes: Infinity, onSpared: () => {} });
  return {
    open: () => Promise.resolve(store),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
});

const KB = 1000;

/** A stock with the contributions to rounds 1 to 4 and the weights after them, 1 kB each; and one blob without a name. */
async function filled(mostBytes: number) {
  const below = new MemoryBlobStore(), told: string[] = [], names = new Map<Digest, string>();
  names.set(await below.put(new Uint8Array(KB)), "unnamed");
  const stock = await openStock(below, {
    mostBytes,
    onSpared: ({ blobs, bytes, reason }) => told.push(`${blobs} ${bytes} ${reason}`),
  });
  const put = async (name: string): Promise<Digest> => {
    const digest = await stock.put(pattern(KB + names.size).subarray(0, KB));
    names.set(digest, name);
    return digest;
  };
  for (let round = 1; round <= 4; round++) {
    stock.name(await put(`contribution ${round}`), { kind: "contribution", round, need: "certain" });
    const weights = await put(`weights ${round}`);
    stock.name(weights, { kind: "weights", round });
    stock.stand({ round, weights });
  }
  const left = async () => (await below.list()).flatMap((digest) => names.get(digest) ?? []).sort();
  return { stock, below, told, put, left };
}

/** A blob of so many chunks that `stock` is to fetch as a contribution to round 5, or has fetched. */
async function fetched(stock: Stock, chunks: number, { need = "doubtful" as Need, isWhole = false } = {}) {
  const bytes = pattern(chunks * CHUNK_BYTES), list = await chunkListOf(bytes), digest = await blobDigest(bytes);
  stock.name(digest, { kind: "contribution", round: 5, need });
  const partial = await stock.partial(digest, bytes.length);
  await partial.begin(list.chunks);
  const write = (index: number) => {
    const { start, end } = chunkSpan(bytes.length, index);
    return partial.write(index, bytes.slice(start, end));
  };
  if (isWhole) {
    for (let index = 0; index < chunks; index++) await write(index);
    await partial.finish();
  }
  return { digest, write, finish: () => partial.finish() };
}

const isFull = (error: unknown): boolean => error instanceof StorageError && error.isFull;

Deno.test("Stock lets go past contributions first, then past weights, and only as much as it must", async () => {
  const { stock, told, left } = await filled(9 * KB);
  await stock.put(new Uint8Array(KB).fill(1));
  assert.deepEqual(await left(), [
    ...["contribution 2", "contribution 3", "contribution 4", "unnamed"],
    ...["weights 1", "weights 2", "weights 3", "weights 4"],
  ]);
  await stock.put(new Uint8Array(3 * KB).fill(2));
  assert.deepEqual(await left(), ["contribution 4", "unnamed", "weights 2", "weights 3", "weights 4"]);
  const reason = "this peer's blobs would take more than it may use";
  assert.deepEqual(told, [`1 1000 ${reason}`, `3 3000 ${reason}`]);
});

Deno.test("Stock never lets go what the next rounds need, says what is full, and lets nothing go in vain", async () => {
  const { stock, left } = await filled(9 * KB), before = await left();
  await assert.rejects(stock.put(new Uint8Array(6 * KB).fill(1)), (error) => {
    assert.ok(error instanceof StorageError && error.isFull);
    assert.match(error.message, /^Cannot store a blob of 0.0 MB: this peer may use 0.0 MB .* --disk-gb\.$/);
    return true;
  });
  assert.deepEqual(await left(), before);
  await stock.put(new Uint8Array(5 * KB).fill(1));
  assert.deepEqual(await left(), ["contribution 4", "unnamed", "weights 3", "weights 4"]);
});

Deno.test("Stock makes room on a full disk and does the work again, once", async () => {
  const { stock, below, left } = await filled(Infinity);
  let room = 0;
  const full = () => new StorageError("the disk is full", { isFull: true });
  const { put } = below;
  below.put = (bytes) => room === 0 ? Promise.reject(full()) : put.call(below, bytes);
  const { delete: drop } = below;
  below.delete = (digest) => {
    room++;
    return drop.call(below, digest);
  };
  await stock.put(new Uint8Array(KB).fill(1));
  assert.equal((await left()).includes("contribution 1"), false);
  assert.equal((await left()).length, 8);
  await assert.rejects(stock.withSpace(KB, () => Promise.reject(full())), /the disk is full/);
  await assert.rejects(stock.withSpace(KB, () => Promise.reject(new StorageError("it is on fire"))), /on fire/);
  assert.equal((await left()).length, 7, "a disk that fails otherwise is not helped by room");
});

Deno.test("Stock has room for a contribution that nobody counts only beside the others, and says so", async () => {
  const stock = await openStock(new MemoryBlobStore(), { mostBytes: 3 * CHUNK_BYTES, onSpared: () => {} });
  const first = await fetched(stock, 2, { isWhole: true });
  await assert.rejects(fetched(stock, 3), (error) => {
    assert.ok(isFull(error) && error instanceof StorageError);
    assert.match(error.message, /none of them can be spared for it\. Let it use more with --disk-gb\.$/);
    return true;
  });
  assert.ok(await stock.has(first.digest));
  assert.equal(stock.usedBytes, 2 * CHUNK_BYTES);
});

Deno.test("Stock takes the room of contributions that nobody counts for what is needed, not of those that are", async () => {
  const stock = await openStock(new MemoryBlobStore(), { mostBytes: 6 * CHUNK_BYTES, onSpared: () => {} });
  const offered = await fetched(stock, 2, { isWhole: true });
  const counted = await fetched(stock, 1, { isWhole: true, need: "certain" });
  const needed = await fetched(stock, 4, { isWhole: true, need: "certain" });
  assert.deepEqual(await stock.list(), [counted.digest, needed.digest].sort());
  assert.equal(await stock.has(offered.digest), false);
  await assert.rejects(stock.put(pattern(2 * CHUNK_BYTES)), /all of them are needed/);
});

Deno.test("Stock ends the fetch of a contribution that nobody counts when its room is needed, also in the middle of a write", async () => {
  const below = new MemoryBlobStore(), writing = Promise.withResolvers<void>(), gate = Promise.withResolvers<void>();
  const { partial } = below;
  below.partial = async (digest, sizeBytes) => {
    const inner = await partial.call(below, digest, sizeBytes);
    return {
      held: () => inner.held(),
      begin: (chunks) => inner.begin(chunks),
      write: async (index, bytes) => {
        writing.resolve();
        await gate.promise;
        await inner.write(index, bytes);
      },
      finish: () => inner.finish(),
    };
  };
  const told: number[] = [];
  const stock = await openStock(below, { mostBytes: 3 * CHUNK_BYTES, onSpared: ({ bytes }) => told.push(bytes) });
  const offered = await fetched(stock, 2), wrote = offered.write(0);
  await writing.promise;
  const put = stock.put(pattern(3 * CHUNK_BYTES));
  gate.resolve();
  const digest = await put;
  await wrote;
  await assert.rejects(offered.write(1), isFull);
  await assert.rejects(offered.finish(), isFull);
  await stock.rest(offered.digest);
  assert.deepEqual([await stock.list(), await stock.partials(), told], [[digest], [], [2 * CHUNK_BYTES]]);
  assert.equal(stock.usedBytes, 3 * CHUNK_BYTES);
});

Deno.test("Stock takes no room of its equals for a contribution that nobody counts, when the disk is full", async () => {
  const below = new MemoryBlobStore(), { partial } = below;
  let isFullDisk = false;
  below.partial = async (digest, sizeBytes) => {
    const inner = await partial.call(below, digest, sizeBytes), { write } = inner;
    inner.write = (index, bytes) =>
      isFullDisk
        ? Promise.reject(new StorageError("the disk is full", { isFull: true }))
        : write.call(inner, index, bytes);
    return inner;
  };
  const stock = await openStock(below, { mostBytes: Infinity, onSpared: () => {} });
  const first = await fetched(stock, 1, { isWhole: true }), second = await fetched(stock, 2);
  isFullDisk = true;
  await assert.rejects(second.write(0), isFull);
  assert.deepEqual([await stock.list(), (await stock.partials()).length], [[first.digest], 1]);
});

Deno.test("Stock spares nothing for a chunk of a fetch that has given way on a full disk", async () => {
  const below = new MemoryBlobStore(), told: string[] = [];
  const stock = await openStock(below, { mostBytes: Infinity, onSpared: ({ reason }) => told.push(reason) });
  const offered = await fetched(stock, 2);
  await stock.delete(offered.digest);
  const old = await stock.put(pattern(CHUNK_BYTES));
  stock.name(old, { kind: "contribution", round: 0, need: "certain" });
  stock.stand({ round: 5, weights: null });
  await assert.rejects(offered.write(0), isFull);
  assert.deepEqual([await stock.list(), told], [[old], []]);
});

Deno.test("Stock lets go chunks that nobody fetches any more, and not those of a fetch", async () => {
  const stock = await openStock(new MemoryBlobStore(), { mostBytes: 3 * CHUNK_BYTES, onSpared: () => {} });
  const { digest, write } = await fetched(stock, 2, { need: "certain" });
  await write(0);
  await assert.rejects(stock.put(pattern(2 * CHUNK_BYTES - 1)), /all of them are needed/);
  await stock.rest(digest);
  assert.deepEqual(await stock.partials(), [{ digest, sizeBytes: 2 * CHUNK_BYTES }]);
  await stock.put(pattern(2 * CHUNK_BYTES - 1));
  assert.deepEqual(await stock.partials(), []);
});

Deno.test("Stock keeps nothing of a fetch that brought no chunk, and at most 64 that brought some, the last ones", async () => {
  const stock = await openStock(new MemoryBlobStore(), { mostBytes: Infinity, onSpared: () => {} });
  const none = await fetched(stock, 2);
  await stock.rest(none.digest);
  assert.deepEqual([await stock.partials(), stock.usedBytes], [[], 0]);
  const digests = [];
  for (let i = 0; i < 66; i++) {
    const bytes = pattern(100 + i), digest = await blobDigest(bytes), partial = await stock.partial(digest, 100 + i);
    await partial.begin((await chunkListOf(bytes)).chunks);
    await partial.write(0, bytes);
    digests.push(digest);
  }
  for (const digest of digests.toReversed()) await stock.rest(digest);
  assert.deepEqual((await stock.partials()).map(({ digest }) => digest), digests.slice(0, 64).sort());
});

Deno.test("Stock drops what a crash left behind, and nothing that is named or to be kept", async () => {
  const { below, left, stock } = await filled(Infinity);
  const [shard, kept] = [await stock.put(pattern(77)), await stock.put(pattern(78))];
  const again = await openStock(below, { mostBytes: Infinity, runBlobs: [shard], onSpared: () => {} });
  for (const digest of await below.list()) {
    const isOurs = (await left()).length > 0 && await below.sizeOf(digest) === KB;
    if (isOurs) again.name(digest, { kind: "weights", round: 1 });
  }
  const lost = await again.put(pattern(79));
  await again.dropUnnamed([kept]);
  assert.deepEqual([await again.has(shard), await again.has(kept), await again.has(lost)], [true, true, false]);
  assert.equal((await left()).length, 9);
});

Deno.test("Stock lets go no blob of the run, whoever names it as a contribution", async () => {
  const below = new MemoryBlobStore(), shard = await below.put(pattern(KB));
  const stock = await openStock(below, { mostBytes: 2 * KB, runBlobs: [shard], onSpared: () => {} });
  stock.name(shard, { kind: "contribution", round: 0, need: "doubtful" });
  await assert.rejects(stock.put(pattern(2 * KB)), /all of them are needed/);
  await stock.delete(shard);
  assert.ok(await stock.has(shard));
});

Deno.test("Stock holds its bound when many blobs come at once, and refuses only those that do not fit", async () => {
  const stock = await openStock(new MemoryBlobStore(), { mostBytes: 10 * KB, onSpared: () => {} });
  for (let round = 1; round <= 4; round++) {
    stock.name(await stock.put(pattern(KB + round).subarray(0, KB)), { kind: "contribution", round, need: "certain" });
  }
  stock.stand({ round: 9, weights: null });
  const put = await Promise.allSettled(
    Array.from({ length: 12 }, (_, i) => stock.put(new Uint8Array(KB).fill(i))),
  );
  assert.equal(put.filter(({ status }) => status === "fulfilled").length, 10);
  assert.equal(stock.usedBytes, 10 * KB);
});

/** What lies in a store, asked of the store itself. */
async function measure(store: BlobStore): Promise<number> {
  let bytes = (await store.partials()).reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  for (const digest of await store.list()) bytes += (await store.sizeOf(digest))!;
  return bytes;
}

Deno.test("Stock counts what the store holds, whatever is put, fetched, deleted and spared, and after a restart", async () => {
  const folder = await Deno.makeTempDir(), mostBytes = 8 * CHUNK_BYTES, options = { mostBytes, onSpared: () => {} };
  const acts = ["put", "put", "fetch", "fetch", "bring", "bring", "rest", "delete", "damage", "restart"] as const;
  try {
    for (const seed of [1, 2, 3]) {
      const random = chance(seed), path = `${folder}/${seed}`, fetching = new Set<Digest>();
      const unlessFull = (error: unknown) => assert.ok(isFull(error), `seed ${seed}: ${error}`);
      let below = await openDiskBlobStore(path), stock = await openStock(below, options);
      for (let round = 0; round < 60; round++) {
        const act = random.pick(acts),
          need = random.pick(["doubtful", "likely", "certain"] as const),
          chunks = random.whole(1, 4);
        stock.stand({ round, weights: null });
        if (act === "put") {
          const digest = await stock.put(pattern(random.whole(1, 2 * CHUNK_BYTES))).catch(unlessFull);
          if (digest) stock.name(digest, { kind: "contribution", round, need });
        } else if (act === "bring") {
          await fetched(stock, chunks, { need, isWhole: true }).catch(unlessFull);
        } else if (act === "fetch") {
          const begun = await fetched(stock, chunks, { need }).catch(unlessFull);
          await begun?.write(0);
          if (begun) fetching.add(begun.digest);
        } else if (act === "delete") {
          for (const digest of (await stock.list()).slice(0, 1)) await stock.delete(digest);
        } else if (act === "damage") {
          for (const digest of (await stock.list()).slice(0, 1)) {
            await Deno.truncate(`${path}/${digest}`, 0);
            await stock.get(digest);
          }
        } else {
          if (act === "rest") { for (const digest of fetching) await stock.rest(digest); }
          else stock = await openStock(below = await openDiskBlobStore(path), options);
          fetching.clear();
        }
        const heldBytes = await measure(below);
        assert.equal(stock.usedBytes, heldBytes, `seed ${seed}, round ${round}: ${act}`);
        assert.ok(heldBytes <= mostBytes, `seed ${seed}, round ${round}: ${act}: ${heldBytes} bytes`);
      }
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
