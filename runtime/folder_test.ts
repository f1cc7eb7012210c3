import { strict as assert } from "node:assert";
import { type Folder, memoryFolder, memoryReader, readText } from "./folder.ts";
import { StorageError } from "../p2p/store/storage_error.ts";
import { diskFolder } from "./folder_disk.ts";

const providers: Record<string, () => Promise<{ folder: Folder; remove(): Promise<void> }>> = {
  memory: () => Promise.resolve({ folder: memoryFolder(), remove: () => Promise.resolve() }),
  disk: async () => {
    const path = await Deno.makeTempDir();
    return { folder: diskFolder(`${path}/new`), remove: () => Deno.remove(path, { recursive: true }) };
  },
};

for (const [name, make] of Object.entries(providers)) {
  Deno.test(`A folder (${name}) gives back what was written, at any position`, async () => {
    const { folder, remove } = await make();
    try {
      assert.equal(await folder.open("a"), null);
      await folder.write("a", [Uint8Array.of(9)]);
      await folder.write("a", [Uint8Array.of(1, 2), new Uint8Array(), Uint8Array.of(3, 4, 5)]);
      const reader = (await folder.open("a"))!;
      assert.equal(reader.sizeBytes, 5);
      for (let start = 0; start <= 5; start++) {
        for (let end = start; end <= 5; end++) {
          const into = new Uint8Array(end - start);
          reader.readAt(start, into);
          assert.deepEqual([...into], [1, 2, 3, 4, 5].slice(start, end));
        }
      }
      for (const position of [-1, 0.5, 3, NaN]) {
        assert.throws(() => reader.readAt(position, new Uint8Array(3)), /Cannot read 3 bytes at .* it has 5 bytes/);
      }
    } finally {
      await remove();
    }
  });

  Deno.test(`A file of a folder (${name}) stays as it was when writing it again fails`, async () => {
    const { folder, remove } = await make();
    try {
      await folder.write("a", [Uint8Array.of(1)]);
      const failing = function* () {
        yield Uint8Array.of(2);
        throw new Error("no more");
      };
      await assert.rejects(async () => await folder.write("a", failing()), /no more/);
      const reader = (await folder.open("a"))!, into = new Uint8Array(1);
      reader.readAt(0, into);
      assert.deepEqual([reader.sizeBytes, into[0]], [1, 1]);
      assert.equal(await folder.open(".a.partial"), null, "nothing is left over");
    } finally {
      await remove();
    }
  });

  Deno.test(`A folder (${name}) does not keep what its writer does to a piece afterwards`, async () => {
    const { folder, remove } = await make();
    try {
      const piece = new Uint8Array(1);
      await folder.write(
        "a",
        (function* () {
          for (piece[0] = 1; piece[0] < 4; piece[0]++) yield piece;
        })(),
      );
      const reader = (await folder.open("a"))!, into = new Uint8Array(3);
      reader.readAt(0, into);
      assert.deepEqual([...into], [1, 2, 3]);
    } finally {
      await remove();
    }
  });
}

Deno.test("A folder that is no folder, or is not there, has no files", async () => {
  assert.equal(await diskFolder(`${import.meta.dirname}/folder_test.ts`).open("a"), null);
  assert.equal(await diskFolder("no/such/folder").open("a"), null);
});

Deno.test("readText() takes UTF-8 and nothing else", () => {
  assert.equal(readText(memoryReader(new TextEncoder().encode("naïve"))), "naïve");
  assert.throws(() => readText(memoryReader(Uint8Array.of(0xff))), TypeError);
});

Deno.test("a folder that cannot be written names the file and what to do", async () => {
  const path = await Deno.makeTempDir(), file = `${path}/file`;
  try {
    await Deno.writeFile(file, new Uint8Array());
    await assert.rejects(diskFolder(`${file}/model`).write("config.json", []), (error: unknown) => {
      assert.ok(error instanceof StorageError);
      assert.ok(error.message.startsWith(`Cannot write ${file}/model/config.json: a part of the path is a file`));
      return true;
    });
  } finally {
    await Deno.remove(path, { recursive: true });
  }
});
