import { strict as assert } from "node:assert";
import { identityFromSeed } from "../identity.ts";
import { Book } from "./book.ts";
import { bodyDigest } from "./digest.ts";
import { buildOffer, NO_WORK } from "./offer.ts";
import { genesisRecord, genesisState } from "./chain.ts";
import { OwnKey } from "./own_key.ts";
import { RULEBOOK } from "./rulebook.ts";
import type { Digest, Offer, PeerId, RoundRecord, Signed } from "./types.ts";
import { tinyRules } from "../../tests/tiny_rules.ts";

const rules = tinyRules({
  run: "a".repeat(64) as Digest,
  firstRoundMs: 2000,
  leastRoundMs: 1000,
  longestRoundMs: 10_000,
  batch: 8,
  contextLength: 16,
  codec: "int8",
});
const self = identityFromSeed(new Uint8Array(32).fill(1)).peer, other = identityFromSeed(new Uint8Array(32)).peer;
const genesis = bodyDigest(genesisRecord(rules).body);

function sign<T extends Offer | RoundRecord>(body: T): Signed<T> {
  return { kind: "signed", body, signature: new Uint8Array(64) };
}

/** An offer trained on a record; `steps` tells one from another. */
function offerOn(parent: Digest, peer: PeerId, steps: number): Signed<Offer> {
  const ground = { chain: { ...genesisState(rules), head: parent }, base: genesis };
  const of = {
    self: peer,
    rules,
    name: "",
    device: "",
    waitMs: 0,
    nextMs: 0,
    heldOut: null,
    leaving: false,
    transferMs: 0,
  };
  return sign({ ...buildOffer(ground, NO_WORK, of), steps });
}

function counting(parent: Digest, offer: Signed<Offer>): Signed<RoundRecord> {
  return sign({
    ...{ ...genesisRecord(rules).body, round: 1, parents: [parent], base: genesis, scribe: other },
    counted: [{ offer: bodyDigest(offer.body), peer: offer.body.peer, age: 0 }],
  });
}

/** A history of one record, which counts this peer's offer; then another offer of its key on top of it. */
function history(onTop: Signed<Offer> | null = null) {
  const book = new Book(rules, RULEBOOK), key = new OwnKey();
  const first = offerOn(genesis, self, 1), record = counting(genesis, first), head = bodyDigest(record.body);
  const second = onTop ?? offerOn(head, self, 2);
  for (const offer of [first, second]) {
    book.offers.add(bodyDigest(offer.body), offer, { nowMs: 0, own: false, journaled: false });
  }
  book.addRecord(head, record, { nowMs: 0, journaled: false });
  return { book, key, first: bodyDigest(first.body), second: bodyDigest(second.body), head };
}

Deno.test("a peer stops when an offer of its key that it did not make follows one that it did make", () => {
  const { book, key, first, second } = history();
  key.made(first);
  key.heard(first);
  assert.equal(key.whyStop(book), null);
  key.heard(second);
  assert.match(key.whyStop(book)!, /another machine runs with this peer's key: offer [0-9a-f]{8}… of round 1/);
});

Deno.test("a peer takes offers of its former lives for its own, with or without its journal", () => {
  const lost = history();
  lost.key.heard(lost.first);
  lost.key.made(lost.second);
  assert.equal(lost.key.whyStop(lost.book), null, "the first was made before");
  const whole = history();
  whole.key.restored(whole.second);
  whole.key.made(whole.first);
  whole.key.heard(whole.second);
  assert.equal(whole.key.whyStop(whole.book), null);
});

Deno.test("an offer on a record that is not known yet says nothing of a peer's key until it is", () => {
  const first = offerOn(genesis, self, 1), record = counting(genesis, first), head = bodyDigest(record.body);
  const { book, key } = history(offerOn("f".repeat(64) as Digest, self, 4));
  const later = offerOn(head, self, 5), other = new Book(rules, RULEBOOK);
  other.offers.add(bodyDigest(later.body), later, { nowMs: 0, own: false, journaled: false });
  key.made(bodyDigest(first.body));
  key.heard(bodyDigest(later.body));
  assert.equal(key.whyStop(book), null, "the offer is not known");
  assert.equal(key.whyStop(other), null, "its record is not known");
  other.addRecord(head, record, { nowMs: 0, journaled: false });
  assert.match(key.whyStop(other)!, /another machine/);
});
