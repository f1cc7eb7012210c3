import { strict as assert } from "node:assert";
import { type Chapter, historyOf, historyRules as rules } from "../../tests/tiny_history.ts";
import { Book } from "./book.ts";
import { bodyDigest } from "./digest.ts";
import type { State } from "./link.ts";
import { Recheck } from "./recheck.ts";
import { RULEBOOK } from "./rulebook.ts";
import type { PeerId } from "./types.ts";

const chapters = historyOf(["finch", "wren"].map((name) => name as PeerId), 24);

/** Knows all records and offers until this round, and was given the state after them. */
function given(book: Book, round: number): State {
  for (const { offers } of chapters.slice(1, round + 1)) {
    const options = { nowMs: 0, own: false, journaled: false };
    for (const offer of offers) book.offers.add(bodyDigest(offer.body), offer, options);
  }
  for (const { record, chain } of chapters.slice(0, round)) book.addPast(record, chain);
  return book.addState(chapters[round]!.record, chapters[round]!);
}

/** Rounds whose records' offers are to be judged: all of a round's or none. */
function rounds(recheck: Recheck): readonly number[] {
  const wanted = ({ offers }: Chapter) => offers.filter(({ body }) => recheck.wants(bodyDigest(body))).length;
  return chapters.flatMap((chapter, round) => {
    assert.ok([0, chapter.offers.length].includes(wanted(chapter)), `round ${round}`);
    return wanted(chapter) > 0 ? [round] : [];
  });
}

function fromTo(first: number, last: number): readonly number[] {
  return Array.from({ length: last - first + 1 }, (_, i) => first + i);
}

Deno.test("Recheck wants what the last 16 records before a loaded state count, and nothing older or newer", () => {
  const book = new Book(rules, RULEBOOK), recheck = new Recheck();
  assert.deepEqual(rounds(recheck), []);
  recheck.begin(book, given(book, 20), rules);
  assert.deepEqual(rounds(recheck), fromTo(5, 20));
});

Deno.test("Recheck keeps what is still open of an earlier state when another is loaded, and forgets what was judged", () => {
  const book = new Book(rules, RULEBOOK), recheck = new Recheck();
  recheck.begin(book, given(book, 3), rules);
  assert.deepEqual(rounds(recheck), [1, 2, 3]);
  for (const { body } of chapters[2]!.offers) {
    book.offers.judge(book.offers.find(bodyDigest(body))!, { valid: true, norm: 1 });
  }
  recheck.begin(book, given(book, 24), rules);
  // The zero offers of round 1 have no contribution, so they are judged from the beginning.
  assert.deepEqual(rounds(recheck), [3, ...fromTo(9, 24)]);
});
