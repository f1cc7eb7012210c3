import { strict as assert } from "node:assert";
import { identityFromSeed } from "../identity.ts";
import { Book } from "./book.ts";
import { bodyDigest } from "./digest.ts";
import { buildOffer, NO_WORK } from "./offer.ts";
import { genesisRecord, genesisState } from "./chain.ts";
import { OwnKey } from "./own_key.ts";
import { RULEBOOK } from "./rulebook.ts";
import type { Digest, Offer, PeerId, RoundRecord, Signed, SyncRules } from "./types.ts";

const rules: SyncRules = {
  run: "a".repeat(64) as Digest,
  lateRounds: 3,
  ageDiscount: 0.3,
  rosterRounds: 5,
  firstRoundMs: 2000,
  leastRoundMs: 1000,
  longestRoundMs: 10_000,
  batch: 8,
  contextLength: 16,
  targetTokens: null,
};
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
    book.addOffer(bodyDigest(offer.body), offer, { nowMs: 0, own: false, journaled: false });
  }
  book.addRecord(head, record, { nowMs: 0, journaled: false });
  return { book, key, first: bodyDigest(first.body), second: bodyDigest(second.body), head };
}

Deno.test("a peer stops when an offer of its key that it did not make follows one that it did make", () => {
  const { book, key, first } = history();
  key.made(first);
  assert.match(key.whyStop(book, self)!, /another machine runs with this peer's key: offer [0-9a-f]{8}… of round 1/);
});

Deno.test("a peer takes offers of its former lives for its own, with or without its journal", () => {
  const { book, key, first, second } = history();
  assert.equal(key.whyStop(book, self), null, "nothing was made in this life: its disk may have been lost");
  key.made(second);
  assert.equal(key.whyStop(book, self), null, "the first was made before");
  const whole = history();
  whole.key.made(whole.first);
  whole.key.restored(whole.second);
  assert.equal(whole.key.whyStop(whole.book, self), null);
  assert.notEqual(first, second);
});

Deno.test("offers of others, or on records that are not known, say nothing of a peer's key", () => {
  for (const onTop of [offerOn(genesis, other, 3), offerOn("f".repeat(64) as Digest, self, 4)]) {
    const { book, key, first } = history(onTop);
    key.made(first);
    assert.equal(key.whyStop(book, self), null);
  }
});
