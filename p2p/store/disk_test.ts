import { strict as assert } from "node:assert";
import { pattern, testBlobStore } from "../../tests/conformance/blob_store.ts";
import { CHUNK_BYTES } from "./blob_store.ts";
import { chunkListDigest, chunkListOf } from "./chunks.ts";
import { openDiskBlobStore } from "./disk.ts";
import { StorageError, storageError } from "./storage_error.ts";

testBlobStore("DiskBlobStore", async () => {
  const folder = await Deno.makeTempDir();
  return {
    open: () => openDiskBlobStore(folder),
    [Symbol.asyncDispose]: () => Deno.remove(folder, { recursive: true }),
  };
});

Deno.test("DiskBlobStore drops a blob that the disk has changed", async () => {
  await inFolder(async (folder) => {
    const store = await openDiskBlobStore(folder);
    const digest = await store.put(pattern(1000));
    const bytes = await Deno.readFile(`${folder}/${digest}`);
    bytes[500]! ^= 1;
    await Deno.writeFile(`${folder}/${digest}`, bytes);
    assert.equal(await store.read(digest, new Uint8Array(1000)), false);
    assert.equal(await store.get(digest), null);
    assert.equal(await store.has(digest), false);
  });
});

Deno.test("DiskBlobStore gives no chunk list of a blob that the disk changed before it was opened, and drops it", async () => {
  await inFolder(async (folder) => {
    const digest = await (await openDiskBlobStore(folder)).put(pattern(1000));
    await Deno.writeFile(`${folder}/${digest}`, pattern(999));
    const store = await openDiskBlobStore(folder);
    assert.equal(await store.chunkList(digest), null);
    assert.equal(await store.has(digest), false);
  });
});

Deno.test("DiskBlobStore writes and reads on after a write that failed, without a file left open", async () => {
  await inFolder(async (folder) => {
    const bytes = pattern(3 * CHUNK_BYTES), list = await chunkListOf(bytes), digest = await chunkListDigest(list);
    const store = await openDiskBlobStore(folder), partial = await store.partial(digest, bytes.length);
    await partial.begin(list.chunks);
    await Deno.mkdir(`${folder}/partial/${digest}`); // in its place
    await assert.rejects(partial.write(0, bytes.slice(0, CHUNK_BYTES)), StorageError);
    await Deno.remove(`${folder}/partial/${digest}`);
    const writes = [2, 0, 1].map((i) => partial.write(i, bytes.slice(i * CHUNK_BYTES, (i + 1) * CHUNK_BYTES)));
    await Promise.all(writes);
    await partial.finish();
    assert.deepEqual(await store.get(digest), bytes);
    assert.equal(await store.slice("f".repeat(64) as typeof digest, 0, 9), null);
  });
});

Deno.test("DiskBlobStore drops chunks of an unfinished blob that the disk has changed, and only those", async () => {
  await inFolder(async (folder) => {
    const bytes = pattern(3 * CHUNK_BYTES), list = await chunkListOf(bytes), digest = await chunkListDigest(list);
    const before = await (await openDiskBlobStore(folder)).partial(digest, bytes.length);
    await before.begin(list.chunks);
    await before.write(0, bytes.slice(0, CHUNK_BYTES));
    await before.write(1, bytes.slice(CHUNK_BYTES, 2 * CHUNK_BYTES));
    using file = await Deno.open(`${folder}/partial/${digest}`, { write: true });
    await file.seek(10, Deno.SeekMode.Start);
    await file.write(new Uint8Array([1, 2, 3]));
    const after = await (await openDiskBlobStore(folder)).partial(digest, bytes.length);
    await after.begin(list.chunks);
    assert.deepEqual(await after.held(), [1]);
  });
});

Deno.test("DiskBlobStore forgets what a crash left half written", async () => {
  await inFolder(async (folder) => {
    await openDiskBlobStore(folder);
    await Deno.writeFile(`${folder}/writing-0`, pattern(10));
    const store = await openDiskBlobStore(folder);
    assert.deepEqual(await store.list(), []);
    assert.equal((await Array.fromAsync(Deno.readDir(folder))).some(({ name }) => name.startsWith("writing-")), false);
  });
});

Deno.test("DiskBlobStore keeps at most 64 unfinished blobs from before, the last touched ones", async () => {
  await inFolder(async (folder) => {
    await openDiskBlobStore(folder);
    for (let i = 0; i < 70; i++) {
      const path = `${folder}/partial/${String(i).padStart(64, "0")}`;
      await Deno.writeFile(path, new Uint8Array(1));
      await Deno.utime(path, 1000 + i, 1000 + i);
    }
    await openDiskBlobStore(folder);
    const left = (await Array.fromAsync(Deno.readDir(`${folder}/partial`))).map(({ name }) => Number(name)).sort();
    assert.equal(left.length, 64);
    assert.equal(Math.min(...left), 6);
  });
});

Deno.test("openDiskBlobStore names the remedy when its folder cannot be", async () => {
  await inFolder(async (folder) => {
    await Deno.writeTextFile(`${folder}/file`, "");
    await assert.rejects(openDiskBlobStore(`${folder}/file/blobs`), (error) => {
      assert.ok(error instanceof StorageError);
      assert.match(error.message, /^Cannot open the blob store .*a part of the path is a file.*--state/);
      return true;
    });
  });
});

Deno.test("DiskBlobStore says that its folder is gone instead of losing a blob in silence", async () => {
  await inFolder(async (folder) => {
    const store = await openDiskBlobStore(`${folder}/blobs`);
    await Deno.remove(`${folder}/blobs`, { recursive: true });
    await assert.rejects(store.put(pattern(10)), /Cannot store a blob of 10 bytes .*the folder is gone/);
  });
});

Deno.test("storageError says what to do about a full disk", {
  ignore: Deno.build.os !== "linux", // needs /dev/full
}, async () => {
  using full = await Deno.open("/dev/full", { write: true });
  const cause = await full.write(new Uint8Array(1)).then(() => null, (error: unknown) => error);
  const { message } = storageError("store blob 12", cause);
  assert.match(message, /^Cannot store blob 12: the disk is full. Free some space there/);
});

async function inFolder(body: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    await body(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}
