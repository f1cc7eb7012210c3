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
  return sign({
    ...buildOffer(ground, NO_WORK, of),
    steps,
    blob: { digest: "b".repeat(64) as Digest, sizeBytes: steps },
  });
}

function counting(parent: Digest, offer: Signed<Offer>): Signed<RoundRecord> {
  return sign({
    ...{ ...genesisRecord(rules).body, round: 1, parents: [parent], base: genesis, scribe: other },
    counted: [{ offer: bodyDigest(offer.body), peer: offer.body.peer, age: 0 }],
  });
}

function made(key: OwnKey, { body }: Signed<Offer>): void {
  key.made(bodyDigest(body), body);
}

/** A history of one record, which counts this peer's offer; then another offer of its key on top of it. */
function history(onTop: Signed<Offer> | null = null, first = offerOn(genesis, self, 1)) {
  const book = new Book(rules, RULEBOOK), key = new OwnKey();
  const record = counting(genesis, first), head = bodyDigest(record.body);
  const second = onTop ?? offerOn(head, self, 2);
  for (const offer of [first, second]) {
    book.offers.add(bodyDigest(offer.body), offer, { nowMs: 0, own: false, journaled: false });
  }
  book.addRecord(head, record, { nowMs: 0, journaled: false });
  return { book, key, first, second };
}

Deno.test("a peer stops when an offer of its key that it did not make follows one that it did make", () => {
  const { book, key, first, second } = history();
  made(key, first);
  key.heard(bodyDigest(first.body));
  assert.equal(key.whyStop(book), null);
  key.heard(bodyDigest(second.body));
  assert.match(key.whyStop(book)!, /another machine runs with this peer's key: offer [0-9a-f]{8}… of round 1/);
});

Deno.test("a peer takes offers of its former lives for its own, with or without its journal", () => {
  const lost = history();
  lost.key.heard(bodyDigest(lost.first.body));
  made(lost.key, lost.second);
  assert.equal(lost.key.whyStop(lost.book), null, "the first was made before");
  const whole = history();
  whole.key.restored(bodyDigest(whole.second.body));
  made(whole.key, whole.first);
  whole.key.heard(bodyDigest(whole.second.body));
  assert.equal(whole.key.whyStop(whole.book), null);
});

Deno.test("a peer that begins the run a second time with its key, without its journal, is no other machine", () => {
  const asking = offerOn(genesis, self, 0),
    { book, key, first, second } = history(null, {
      ...asking,
      body: { ...asking.body, blob: null },
    });
  made(key, first); // the same, to the bit, as in the life before
  key.heard(bodyDigest(second.body));
  assert.equal(key.whyStop(book), null, "the work on it is of the life before");
});

Deno.test("an offer on a record that is not known yet says nothing of a peer's key until it is", () => {
  const first = offerOn(genesis, self, 1), record = counting(genesis, first), head = bodyDigest(record.body);
  const { book, key } = history(offerOn("f".repeat(64) as Digest, self, 4));
  const later = offerOn(head, self, 5), other = new Book(rules, RULEBOOK);
  other.offers.add(bodyDigest(later.body), later, { nowMs: 0, own: false, journaled: false });
  made(key, first);
  key.heard(bodyDigest(later.body));
  assert.equal(key.whyStop(book), null, "the offer is not known");
  assert.equal(key.whyStop(other), null, "its record is not known");
  other.addRecord(head, record, { nowMs: 0, journaled: false });
  assert.match(key.whyStop(other)!, /another machine/);
});
