import { strict as assert } from "node:assert";
import { pattern, testBlobStore } from "../../tests/conformance/blob_store.ts";
import type { Digest } from "../sync/types.ts";
import { CHUNK_BYTES } from "./blob_store.ts";
import { chunkListDigest, chunkListOf } from "./chunks.ts";
import { MemoryBlobStore } from "./memory.ts";
import { Stock } from "./stock.ts";
import { StorageError } from "./storage_error.ts";

testBlobStore("Stock", () => {
  const store = new Stock(new MemoryBlobStore(), { mostBytes: Infinity, onSpared: () => {} });
  return Promise.resolve({
    open: () => Promise.resolve(store),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  });
});

const KB = 1000;

/** A stock with contributions of rounds 1 to 4 and the weights after them, 1 kB each; and one blob without a name. */
async function filled(mostBytes: number) {
  const below = new MemoryBlobStore(), told: string[] = [];
  const stock = new Stock(below, {
    mostBytes,
    onSpared: ({ blobs, bytes, reason }) => told.push(`${blobs} ${bytes} ${reason}`),
  });
  const names = new Map<Digest, string>();
  for (let round = 1; round <= 4; round++) {
    for (const kind of ["contribution", "weights"] as const) {
      const digest = await below.put(pattern(KB + names.size).subarray(0, KB));
      stock.name(digest, { kind, round });
      names.set(digest, `${kind} ${round}`);
    }
  }
  names.set(await below.put(new Uint8Array(KB)), "unnamed");
  const left = async () => (await below.list()).flatMap((digest) => names.get(digest) ?? []).sort();
  return { stock, below, told, left };
}

Deno.test("Stock lets go old contributions first, then old weights, and only as much as it must", async () => {
  const { stock, told, left } = await filled(9 * KB);
  await stock.put(new Uint8Array(KB).fill(1));
  assert.deepEqual(await left(), [
    ...["contribution 2", "contribution 3", "contribution 4", "unnamed"],
    ...["weights 1", "weights 2", "weights 3", "weights 4"],
  ]);
  await stock.put(new Uint8Array(2 * KB).fill(2));
  assert.deepEqual(await left(), [
    ...["contribution 3", "contribution 4", "unnamed", "weights 2", "weights 3", "weights 4"],
  ]);
  const reason = "this peer's blobs would take more than it may use";
  assert.deepEqual(told, [`1 1000 ${reason}`, `2 2000 ${reason}`]);
});

Deno.test("Stock never lets go what the next rounds need, and says what is full", async () => {
  const { stock, left } = await filled(9 * KB);
  await assert.rejects(stock.put(new Uint8Array(6 * KB).fill(1)), (error) => {
    assert.ok(error instanceof StorageError && error.isFull);
    assert.match(error.message, /^Cannot store a blob of 0.0 MB: this peer may use 0.0 MB .* --disk-gb\.$/);
    return true;
  });
  assert.deepEqual(await left(), ["contribution 3", "contribution 4", "unnamed", "weights 3", "weights 4"]);
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

Deno.test("Stock lets go chunks that nobody fetches any more, and not those of a fetch", async () => {
  const bytes = pattern(2 * CHUNK_BYTES), list = await chunkListOf(bytes), digest = await chunkListDigest(list);
  const stock = new Stock(new MemoryBlobStore(), { mostBytes: 3 * CHUNK_BYTES, onSpared: () => {} });
  await (await stock.partial(digest, bytes.length)).begin(list.chunks);
  await assert.rejects(stock.put(pattern(2 * CHUNK_BYTES - 1)), /all of them are needed/);
  stock.rest(digest);
  await stock.put(pattern(2 * CHUNK_BYTES - 1));
  assert.deepEqual(await stock.partials(), []);
});

Deno.test("Stock drops what a crash left behind, and nothing that is named or to be kept", async () => {
  const { stock, below, left } = await filled(Infinity);
  const shard = await below.put(pattern(77));
  await stock.dropUnnamed([shard]);
  assert.ok(await stock.has(shard));
  assert.equal((await left()).length, 8);
});

Deno.test("Stock forgets what a blob was for that never came, so that it says nothing of what others need", async () => {
  const { stock, left } = await filled(9 * KB);
  const list = await chunkListOf(pattern(10)), digest = await chunkListDigest(list);
  stock.name(digest, { kind: "contribution", round: 1e9 });
  await stock.partial(digest, 10);
  stock.rest(digest);
  await assert.rejects(stock.put(new Uint8Array(6 * KB).fill(1)), /all of them are needed/);
  assert.deepEqual(await left(), ["contribution 3", "contribution 4", "unnamed", "weights 3", "weights 4"]);
});
