import { strict as assert } from "node:assert";
import { listTextFiles, readTextFiles, TextFilesError } from "./text_files.ts";

async function inFolder(files: Record<string, string | Uint8Array>, check: (folder: string) => Promise<void>) {
  const folder = await Deno.makeTempDir();
  try {
    for (const [name, contents] of Object.entries(files)) {
      const slash = name.lastIndexOf("/");
      if (slash > 0) await Deno.mkdir(`${folder}/${name.slice(0, slash)}`, { recursive: true });
      const bytes = typeof contents === "string" ? new TextEncoder().encode(contents) : contents;
      await Deno.writeFile(`${folder}/${name}`, bytes);
    }
    await check(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

async function read(path: string): Promise<string> {
  return (await Array.fromAsync(readTextFiles(path))).join("");
}

Deno.test("A folder is read with everything below it, in the order of paths, without hidden files", async () => {
  const files = {
    "b.txt": "two\n",
    "a/z.txt": "one",
    "c.txt": "",
    "d.txt": "three\n",
    ".git/x": "no",
    ".hidden": "no",
  };
  await inFolder(files, async (folder) => {
    assert.equal(await read(folder), "one\ntwo\nthree\n");
    assert.equal(await read(`${folder}/a/z.txt`), "one\n");
    const names = (await listTextFiles(folder)).map((path) => path.slice(folder.length + 1));
    assert.deepEqual(names, ["a/z.txt", "b.txt", "c.txt", "d.txt"]);
  });
});

Deno.test("A linked file is read and a linked folder, which may lead back here, is not", async () => {
  await inFolder({ "a.txt": "text\n" }, async (folder) => {
    await Deno.symlink(`${folder}/a.txt`, `${folder}/b.txt`);
    await Deno.symlink(folder, `${folder}/c`);
    assert.equal(await read(folder), "text\ntext\n");
  });
});

Deno.test("A long file comes in bounded pieces that end before white space and lose nothing", async () => {
  const text = "naïve 🙂 words, \n\n and more;  ".repeat(60_000);
  await inFolder({ "a.txt": text }, async (folder) => {
    const pieces = await Array.fromAsync(readTextFiles(folder));
    assert.equal(pieces.join(""), `${text}\n`);
    assert.ok(pieces.length > 5 && pieces.every((piece) => piece.length <= 512 * 1024));
    for (const piece of pieces.slice(1, -1)) assert.match(piece.slice(0, 1) + piece.slice(-1), /^\s\S$/);
  });
});

Deno.test("One endless word still comes in bounded pieces", async () => {
  const text = "x".repeat(2_000_000);
  await inFolder({ "a.txt": text }, async (folder) => {
    const pieces = await Array.fromAsync(readTextFiles(folder));
    assert.equal(pieces.join(""), `${text}\n`);
    assert.ok(pieces.every((piece) => piece.length <= 1024 * 1024));
  });
});

Deno.test("A file that is not UTF-8 is refused by name, wherever the bad byte is", async () => {
  for (const at of [0, 1000, 599_999]) {
    const bytes = new Uint8Array(600_000).fill(32);
    bytes[at] = 0xe2; // the first byte of three
    await inFolder({ "good.txt": "text", "worse.txt": bytes }, async (folder) => {
      await assert.rejects(read(folder), (error: Error) => {
        assert.ok(error instanceof TextFilesError);
        assert.match(error.message, /worse\.txt' as text: it is not UTF-8 (between its bytes \d+ and \d+|at its end)/);
        return true;
      });
    });
  }
});

Deno.test("Nothing to read is an error that says why", async () => {
  await inFolder({}, (folder) => assert.rejects(read(folder), /no files in it \(hidden ones are left out\)/));
  await inFolder({ "a.txt": "" }, (folder) => assert.rejects(read(`${folder}/a.txt`), /the file is empty/));
  await inFolder({ "a": "", "b": "" }, (folder) => assert.rejects(read(folder), /all 2 files in it are empty/));
  await assert.rejects(read("no/such/path"), /Cannot use 'no\/such\/path' as text: .*No such file/);
  if (Deno.build.os === "linux") await assert.rejects(read("/dev/null"), /neither a file nor a folder/);
});
