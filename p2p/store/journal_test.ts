import { strict as assert } from "node:assert";
import { openDiskJournal } from "./disk_journal.ts";
import { type Journal, LARGEST_ENTRY_BYTES, MemoryJournal } from "./journal.ts";

const entries = [new Uint8Array([1, 2, 3]), new Uint8Array(), new Uint8Array(3000).fill(7)];

for (
  const [name, open] of [
    ["MemoryJournal", () => Promise.resolve(new MemoryJournal())],
    ["DiskJournal", openDiskJournal],
  ] as const satisfies readonly (readonly [string, (path: string) => Promise<Journal>])[]
) {
  Deno.test(`${name} reads back what was appended, in order`, async () => {
    await withFile(async (path) => {
      await using journal = await open(path);
      assert.deepEqual(await journal.read(), { entries: [], dropped: null });
      const appended = entries.map((entry) => journal.append([entry], { durable: false }));
      await Promise.all(appended);
      await journal.append(entries, { durable: true });
      assert.deepEqual((await journal.read()).entries, [...entries, ...entries]);
    });
  });

  Deno.test(`${name} holds only the new entries after a rewrite, and appends to them`, async () => {
    await withFile(async (path) => {
      await using journal = await open(path);
      await journal.read();
      await journal.append(entries, { durable: true });
      const before = journal.sizeBytes();
      await journal.rewrite([entries[0]!]);
      assert.ok(journal.sizeBytes() < before);
      await journal.append([entries[2]!], { durable: true });
      assert.deepEqual((await journal.read()).entries, [entries[0], entries[2]]);
    });
  });
}

Deno.test("DiskJournal loses nothing that is appended after a rewrite whose folder the disk did not sync", async () => {
  await withFile(async (path) => {
    {
      await using journal = await openDiskJournal(path);
      await journal.read();
      await journal.append(entries, { durable: true });
      const { open } = Deno;
      Deno.open = (at, options) => options === undefined ? Promise.reject(new Error("I/O error")) : open(at, options);
      try {
        await assert.rejects(journal.rewrite([entries[0]!]), /Cannot rewrite the journal .*: I\/O error/);
      } finally {
        Deno.open = open;
      }
      await journal.append([entries[2]!], { durable: true });
    }
    await using again = await openDiskJournal(path);
    assert.deepEqual((await again.read()).entries, [entries[0], entries[2]]);
  });
});

Deno.test("DiskJournal survives being opened again", async () => {
  await withFile(async (path) => {
    await write(path);
    await using again = await openDiskJournal(path);
    assert.deepEqual(await again.read(), { entries, dropped: null });
    await again.append([entries[0]!], { durable: true });
    assert.deepEqual((await again.read()).entries, [...entries, entries[0]]);
  });
});

Deno.test("DiskJournal cut anywhere gives back its whole entries, says so and goes on", async () => {
  await withFile(async (path) => {
    await write(path);
    const bytes = await Deno.readFile(path);
    for (let length = 0; length < bytes.length; length += length < 60 ? 1 : 97) {
      await Deno.writeFile(path, bytes.subarray(0, length));
      {
        await using journal = await openDiskJournal(path);
        const { entries: found, dropped } = await journal.read();
        assert.deepEqual(found, entries.slice(0, found.length), `cut at ${length}`);
        if (dropped !== null) {
          assert.match(dropped.reason, /is cut short/);
          assert.equal((await Deno.readFile(dropped.keptAt!)).length, dropped.sizeBytes);
        }
        await journal.append([entries[0]!], { durable: true });
      }
      await using again = await openDiskJournal(path);
      assert.equal((await again.read()).dropped, null, `cut at ${length}`);
    }
  });
});

Deno.test("DiskJournal with any one bit flipped gives every other entry, keeps what was damaged, and is whole again", async () => {
  await withFile(async (path) => {
    const entries = [1, 2, 3, 4].map((n) => new Uint8Array(30 * n).fill(n));
    {
      await using journal = await openDiskJournal(path);
      await journal.read();
      await journal.append(entries, { durable: true });
    }
    const bytes = await Deno.readFile(path);
    for (let bit = 0; bit < bytes.length * 8; bit += 7) {
      const damaged = bytes.slice();
      damaged[bit >> 3]! ^= 1 << (bit & 7);
      await Deno.writeFile(path, damaged);
      await using journal = await openDiskJournal(path);
      const contents = await journal.read().catch((error) => String(error));
      if (typeof contents === "string") { // the digit of the version
        assert.match(contents, /it does not start like a journal of this version/);
        assert.equal(bit >> 3, 17);
        continue;
      }
      const { entries: found, dropped } = contents;
      assert.ok(dropped !== null, `bit ${bit}`);
      assert.equal((await Deno.readFile(dropped.keptAt!)).length, dropped.sizeBytes, `bit ${bit}`);
      const wanted = bit >> 3 < 19
        ? entries
        : entries.filter((entry) => found.some(({ length }) => length === entry.length));
      assert.deepEqual(found, wanted, `bit ${bit}`);
      assert.ok(found.length >= 3, `bit ${bit}`);
      assert.deepEqual(await journal.read(), { entries: found, dropped: null }, `bit ${bit}`);
    }
    const copies = (await Array.fromAsync(Deno.readDir(path.slice(0, path.lastIndexOf("/"))))).length - 1;
    assert.ok(copies <= 8, `${copies} copies`);
  });
});

Deno.test("DiskJournal refuses a file that is no journal and leaves it as it is", async () => {
  await withFile(async (path) => {
    await Deno.writeTextFile(path, "my holiday pictures, a list");
    await using journal = await openDiskJournal(path);
    await assert.rejects(journal.read(), /does not start like a journal of this version.*Update this program/);
    assert.equal(await Deno.readTextFile(path), "my holiday pictures, a list");
  });
});

Deno.test("DiskJournal refuses an entry that it could not read back", async () => {
  await withFile(async (path) => {
    await using journal = await openDiskJournal(path);
    await journal.read();
    assert.throws(() => journal.append([new Uint8Array(LARGEST_ENTRY_BYTES + 1)], { durable: true }), RangeError);
  });
});

Deno.test("openDiskJournal names path and remedy when the disk refuses", async () => {
  await withFile(async (path) => {
    await Deno.writeTextFile(path, "");
    await assert.rejects(openDiskJournal(`${path}/journal`), /Cannot open the journal .*a part of the path is a file/);
  });
});

async function write(path: string): Promise<void> {
  await using journal = await openDiskJournal(path);
  await journal.read();
  await journal.append(entries, { durable: true });
}

async function withFile(body: (path: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    await body(`${folder}/journal`);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}
