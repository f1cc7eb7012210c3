import { strict as assert } from "node:assert";
import { join } from "node:path";
import { StorageError } from "../p2p/store/storage_error.ts";
import { openStateFolder } from "./run_folder.ts";

/** Files that are left open fail the test. */
const COUNTED = { sanitizeResources: true };

Deno.test(
  "a state folder that cannot be opened leaves nothing open, and can be when it is mended",
  COUNTED,
  async () => {
    const path = await Deno.makeTempDir(), now = new Date();
    try {
      await Deno.writeTextFile(join(path, "blobs"), "a file where a folder should be");
      await assert.rejects(openStateFolder(path, { now }), StorageError);
      await Deno.remove(join(path, "blobs"));
      await using state = await openStateFolder(path, { now });
      state.appendEvent({ kind: "alone" });
    } finally {
      await Deno.remove(path, { recursive: true });
    }
  },
);

Deno.test("A damaged device.json is as good as none, and a whole one comes back", COUNTED, async () => {
  const path = await Deno.makeTempDir();
  try {
    await using state = await openStateFolder(path, { now: new Date() });
    assert.equal(await state.loadSpeeds(), null);
    const speeds = { subject: "a device: a model", points: [{ microBatch: 4, tokensPerSecond: 812.5 }], refused: 16 };
    await state.saveSpeeds(speeds);
    assert.deepEqual(await state.loadSpeeds(), speeds);
    for (const text of ["", '{"subject":"a dev', '{"subject":1}', JSON.stringify({ ...speeds, refused: -1 })]) {
      await Deno.writeTextFile(join(path, "device.json"), text);
      assert.equal(await state.loadSpeeds(), null, text);
    }
  } finally {
    await Deno.remove(path, { recursive: true });
  }
});

Deno.test(
  "an optimizer that cannot be written whole leaves the one before, and nothing beside it",
  COUNTED,
  async () => {
    const path = await Deno.makeTempDir();
    async function* alas() {
      yield new Uint8Array(10);
      await Promise.resolve();
      throw new RangeError("the device is gone");
    }
    async function* long() {
      for (let i = 0; i < 8; i++) yield await Promise.resolve(new Uint8Array(1 << 20));
    }
    try {
      await using state = await openStateFolder(path, { now: new Date() });
      await state.saveOptimizer(ReadableStream.from([Uint8Array.of(1, 2), Uint8Array.of(3)]));
      await assert.rejects(state.saveOptimizer(alas()), { name: "RangeError", message: "the device is gone" });
      assert.deepEqual([...(await state.loadOptimizer())!], [1, 2, 3]);
      if (Deno.build.os === "linux") { // elsewhere no file is always full
        await Deno.symlink("/dev/full", join(path, "optimizer.writing"));
        await assert.rejects(state.saveOptimizer(long()), {
          name: "StorageError",
          message: /optimizer: the disk is full/,
        });
        assert.deepEqual([...(await state.loadOptimizer())!], [1, 2, 3]);
      }
      const names = [...Deno.readDirSync(path)].map(({ name }) => name);
      assert.deepEqual(names.filter((name) => name.startsWith("optimizer")), ["optimizer"]);
    } finally {
      await Deno.remove(path, { recursive: true });
    }
  },
);
