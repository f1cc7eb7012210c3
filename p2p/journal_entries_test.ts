import { strict as assert } from "node:assert";
import { identityFromSeed } from "./identity.ts";
import { appendEntries, readJournal, recent } from "./journal_entries.ts";
import { MemoryJournal } from "./store/journal.ts";
import type { JournalEntry } from "./sync/effects.ts";
import type { Digest } from "./sync/types.ts";

const run = "aa".repeat(32) as Digest;
const { peer } = identityFromSeed(new Uint8Array(32));

function record(round: number): JournalEntry {
  return {
    kind: "record",
    record: {
      kind: "signed",
      body: { kind: "record", run, round, parents: [run], base: run, counted: [], scribe: peer, attempt: 0 },
      signature: new Uint8Array(64),
    },
  };
}

Deno.test("readJournal() gives back what was appended and says nothing of damage", async () => {
  const journal = new MemoryJournal();
  const entries = [record(1), record(2)];
  await appendEntries(journal, entries);
  assert.deepEqual(await readJournal(journal), { entries, damage: null });
});

Deno.test("readJournal() leaves out what is no entry, and says so", async () => {
  const journal = new MemoryJournal();
  await journal.append([new Uint8Array([9, 9])]);
  await appendEntries(journal, [record(1)]);
  const { entries, damage } = await readJournal(journal);
  assert.deepEqual(entries, [record(1)]);
  assert.equal(damage, "1 entries are not of this version and were left out");
});

Deno.test("readJournal() rewrites a large journal with its last 64 rounds", async () => {
  const journal = new MemoryJournal();
  await appendEntries(journal, Array.from({ length: 100 }, (_, i) => record(i + 1)));
  const sizeBytes = journal.sizeBytes();
  assert.equal((await readJournal(journal)).entries.length, 100);
  assert.equal(journal.sizeBytes(), sizeBytes);
  journal.sizeBytes = () => 32 * 1024 * 1024;
  assert.equal((await readJournal(journal)).entries.length, 100);
  assert.deepEqual((await readJournal(journal)).entries, Array.from({ length: 64 }, (_, i) => record(i + 37)));
});

Deno.test("recent() keeps the order of what it keeps", () => {
  const entries = [record(70), record(3), record(69)];
  assert.deepEqual(recent(entries), [record(70), record(69)]);
});
