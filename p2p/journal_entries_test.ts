import { strict as assert } from "node:assert";
import { identityFromSeed } from "./identity.ts";
import { PeerJournal, recent } from "./journal_entries.ts";
import { MemoryJournal } from "./store/journal.ts";
import { StorageError } from "./store/storage_error.ts";
import type { JournalEntry } from "./sync/effects.ts";
import type { Digest } from "./sync/types.ts";
import { encodeJournalEntry, WIRE_VERSION } from "./wire.ts";

const run = "aa".repeat(32) as Digest;
const { peer } = identityFromSeed(new Uint8Array(32));

function record(round: number): JournalEntry {
  return {
    kind: "record",
    record: {
      kind: "signed",
      body: {
        kind: "record",
        run,
        round,
        parents: [run],
        bases: [run],
        weights: [],
        counted: [],
        scribe: peer,
        attempt: 0,
        change: null,
        cell: "",
        met: null,
      },
      signature: new Uint8Array(64),
    },
  };
}

Deno.test("PeerJournal gives back what was appended and says nothing of damage", async () => {
  const journal = new PeerJournal(new MemoryJournal());
  const entries = [record(1), record(2)];
  await journal.append(entries);
  assert.deepEqual(await journal.read(), { entries, damage: null });
});

Deno.test("PeerJournal leaves out what is no entry, and says so", async () => {
  const bytes = new MemoryJournal();
  await bytes.append([new Uint8Array([WIRE_VERSION, 9])]);
  const journal = new PeerJournal(bytes);
  await journal.append([record(1)]);
  const { entries, damage } = await journal.read();
  assert.deepEqual(entries, [record(1)]);
  assert.equal(damage, "1 entries are damaged and were left out");
});

Deno.test("PeerJournal reads no journal that another version has written to, and says what to do", async () => {
  for (
    const [version, says] of [
      [
        WIRE_VERSION + 1,
        /entries of version \d+, and this program reads \d+: a newer one wrote it. Update this program/,
      ],
      [WIRE_VERSION - 1, /an older one wrote it. Go on with that version, or give the peer another folder/],
    ] as const
  ) {
    const bytes = new MemoryJournal(), entry = encodeJournalEntry(record(2));
    entry[0] = version;
    await bytes.append([encodeJournalEntry(record(1)), entry]);
    await assert.rejects(new PeerJournal(bytes).read(), { name: "StorageError", message: says });
  }
});

Deno.test("PeerJournal lets all but the last 320 rounds go when it has grown large, and not at every append", async () => {
  const bytes = new MemoryJournal(), journal = new PeerJournal(bytes);
  await journal.append(Array.from({ length: 400 }, (_, i) => record(i + 1)));
  assert.equal((await journal.read()).entries.length, 400);
  bytes.sizeBytes = () => 40 * 1024 * 1024;
  await journal.append([record(401)]);
  assert.deepEqual((await journal.read()).entries, Array.from({ length: 320 }, (_, i) => record(i + 82)));
  await journal.append([record(402)]);
  assert.equal((await journal.read()).entries.length, 321);
});

Deno.test("recent() keeps the order of what it keeps", () => {
  const entries = [record(330), record(3), record(329)];
  assert.deepEqual(recent(entries), [record(330), record(329)]);
});

Deno.test("PeerJournal grows on while the disk has no room to write it anew", async () => {
  const bytes = new MemoryJournal(), journal = new PeerJournal(bytes);
  bytes.sizeBytes = () => 40 * 1024 * 1024;
  bytes.rewrite = () => Promise.reject(new StorageError("the disk is full", { isFull: true }));
  await journal.append([record(1)]);
  await journal.append([record(2)]);
  assert.deepEqual((await journal.read()).entries, [record(1), record(2)]);
});
