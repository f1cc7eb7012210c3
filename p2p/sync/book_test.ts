import { strict as assert } from "node:assert";
import { Book } from "./book.ts";
import { bodyDigest, digestOf } from "./digest.ts";
import { RULEBOOK } from "./rulebook.ts";
import type { PeerId, RoundRecord } from "./types.ts";
import { tinyRules } from "../../tests/tiny_rules.ts";

const rules = tinyRules({
  run: digestOf("run"),
  firstRoundMs: 2000,
  leastRoundMs: 1000,
  longestRoundMs: 10_000,
  batch: 8,
  contextLength: 16,
});

/** Adds a record whose parent nobody knows. */
function addOrphan(book: Book, scribe: string, round: number) {
  const record: RoundRecord = {
    kind: "record",
    run: rules.run,
    round,
    parents: [digestOf(`${scribe} ${round}`)],
    bases: [digestOf("base")],
    weights: [],
    counted: [],
    scribe: scribe as PeerId,
    attempt: 0,
    change: null,
    cell: "",
    met: null,
  };
  const digest = bodyDigest(record);
  const signed = { kind: "signed", body: record, signature: new Uint8Array(64) } as const;
  book.addRecord(digest, signed, { nowMs: 0, journaled: false });
  return digest;
}

Deno.test("Book keeps every scribe's records that wait, however many another one sends, of earlier rounds or later", () => {
  for (const from of [1, 1000]) {
    const book = new Book(rules, RULEBOOK), before = addOrphan(book, "wren", 500);
    for (let i = 0; i < 200; i++) addOrphan(book, "liar", from + i);
    const after = addOrphan(book, "robin", 501);
    assert.ok(book.links.has(before) && book.links.has(after));
    assert.equal(book.links.size, 64);
    assert.ok(book.links.has(addOrphan(book, "liar", from + 500)), "the one just added");
  }
});

Deno.test("Book keeps the earliest of the records that wait: what leads to the others", () => {
  const book = new Book(rules, RULEBOOK),
    digests = Array.from({ length: 100 }, (_, i) => addOrphan(book, "wren", i + 1));
  assert.ok(digests.slice(0, 63).every((digest) => book.links.has(digest)));
});
