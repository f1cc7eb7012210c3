import { strict as assert } from "node:assert";
import { type Chapter, following, historyOf, historyRules as rules, misranked } from "../../tests/tiny_history.ts";
import { Book } from "./book.ts";
import { bodyDigest } from "./digest.ts";
import type { Proof } from "./joining.ts";
import { RULEBOOK } from "./rulebook.ts";
import type { PeerId } from "./types.ts";
import { proofOf } from "./vouching.ts";
import { Witnesses } from "./witnesses.ts";

const wren = "wren" as PeerId;
const right = historyOf([wren], 2), forged = misranked(right.at(-1)!, [wren]);

/** What a peer that knows these rounds can say of the state after the last of some that follow, of which it knows none. */
function proofAfter(known: readonly Chapter[], last: Chapter): Proof {
  const book = new Book(rules, RULEBOOK), [begun, ...rounds] = known as [Chapter, ...Chapter[]];
  book.addPast(begun.record, begun.chain);
  for (const { record, offers } of rounds) {
    for (const offer of offers) {
      book.offers.add(bodyDigest(offer.body), offer, { nowMs: 0, own: false, journaled: false });
    }
    book.addRecord(bodyDigest(record.body), record, { nowMs: 0, journaled: false });
  }
  book.resolve(0);
  return proofOf(last, { book, witnesses: new Witnesses(), isMissed: () => false });
}

/** So many rounds that wren goes on alone. */
function after(chapter: Chapter, rounds: number): Chapter {
  return rounds === 0 ? chapter : after(following(chapter, [wren]), rounds - 1);
}

Deno.test("a state that says itself that it follows an invalid record is refuted, also if nobody gives what is between", () => {
  const known = [...right, forged];
  assert.equal(proofAfter(known, forged), "refuted");
  assert.equal(proofAfter(known, after(forged, 1)), "refuted");
  assert.equal(proofAfter(known, after(forged, rules.lateRounds)), "refuted");
});

Deno.test("a state whose records are not known so far is neither proven nor refuted", () => {
  assert.equal(proofAfter(right, right.at(-1)!), "proven");
  assert.equal(proofAfter(right, after(right.at(-1)!, 2)), "open");
});
