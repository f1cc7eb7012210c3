import { strict as assert } from "node:assert";
import { advance, genesisState } from "./chain.ts";
import { digestOf, stateDigest } from "./digest.ts";
import { account } from "./ledger.ts";
import {
  buildMergeRecord,
  type Chapter,
  inOrder,
  mergeRanking,
  mergeShares,
  type Sides,
  unite,
  whyInvalidMerge,
} from "./merge.ts";
import { buildOffer, NO_WORK } from "./offer.ts";
import { firstWindows, windowCount } from "./ranges.ts";
import { ageOf, buildRecord, selectCounted, whyInvalid, whyNotCountable } from "./record.ts";
import { leaseOf } from "./ledger.ts";
import { attemptOf } from "./scribe.ts";
import type { ChainState, Digest, Offer, PeerId } from "./types.ts";
import { tinyRules } from "../../tests/tiny_rules.ts";

const rules = tinyRules({ run: digestOf("run"), batch: 8, codec: "int8" });
const weightsOf = (chain: ChainState) => ({ digest: digestOf({ weights: chain.head }), sizeBytes: 8 });
const baseOf = (chain: ChainState) => stateDigest(chain, weightsOf(chain).digest);
const options = { rules, device: "cpu", waitMs: 0, transferMs: 0, nextMs: 1, heldOut: null, leaving: false };

/** Trains the first windows of its author's lease. */
function offerOf(peer: string, chain: ChainState, windows = 4): Offer {
  const ranges = firstWindows(leaseOf(chain.ledger, peer as PeerId), windows);
  const blob = { digest: digestOf({ peer, on: chain.head }), sizeBytes: 1 };
  const tokens = windowCount(ranges) * rules.contextLength;
  const work = { ...NO_WORK, blob, ranges, tokens, steps: 1, speed: 100 };
  const ground = { chain, base: baseOf(chain) };
  return buildOffer(ground, windows === 0 ? NO_WORK : work, { ...options, self: peer as PeerId, name: peer });
}

interface History {
  readonly chain: ChainState;
  readonly chapters: readonly Chapter[];
}

function after({ chain, chapters }: History, offers: readonly Offer[]): History {
  const byDigest = new Map(offers.map((offer) => [digestOf(offer), offer] as const)), base = baseOf(chain);
  const counted = selectCounted(byDigest, { parent: chain, base, rules });
  assert.equal(counted.length, offers.length, "all are countable");
  const scribe = offers[0]!.peer, attempt = attemptOf(chain, scribe);
  const record = buildRecord({ chain, base }, { rules, counted, scribe, attempt, change: null });
  const inOrder = counted.map(({ offer }) => byDigest.get(offer)!);
  assert.equal(whyInvalid(record, inOrder, { parent: chain, rules }), null);
  return {
    chain: advance(chain, { record, digest: digestOf(record), offers: inOrder, rules }),
    chapters: [...chapters, { record, offers: inOrder, usual: chain.usual }],
  };
}

const genesis: History = { chain: genesisState(rules), chapters: [] };
const founded = after(genesis, ["wren", "finch", "robin"].map((peer) => offerOf(peer, genesis.chain, 0)));
const trunk = after(founded, ["wren", "finch", "robin"].map((peer) => offerOf(peer, founded.chain)));
const shared = offerOf("finch", trunk.chain);

/** wren and robin on one side, finch on the other; an offer of finch reached both. */
function parted(windows: number): { readonly left: History; readonly right: History; readonly sides: Sides } {
  let left = after(trunk, [offerOf("wren", trunk.chain), offerOf("robin", trunk.chain), shared]);
  let right = after(trunk, [shared]);
  for (let round = 0; round < 4; round++) {
    left = after(left, ["wren", "robin"].map((peer) => offerOf(peer, left.chain, windows)));
    if (round < 2) right = after(right, [offerOf("finch", right.chain, windows)]);
  }
  const side = ({ chain, chapters }: History) => ({ chain, own: chapters.slice(2), shared: new Set<Digest>() });
  return { left, right, sides: inOrder(side(right), side(left)) };
}

function merge(sides: Sides) {
  const states = sides.map(({ chain }) => ({ chain, base: baseOf(chain), weights: weightsOf(chain) }));
  const record = buildMergeRecord(states, { rules, scribe: mergeRanking(sides)[0]!, attempt: 0 });
  return { record, chain: unite(sides, { record, digest: digestOf(record), rules }) };
}

function offersOf(...histories: readonly History[]): ReadonlyMap<Digest, Offer> {
  const chapters = histories.flatMap(({ chapters }) => chapters);
  return new Map(chapters.flatMap(({ offers }) => offers.map((offer) => [digestOf(offer), offer] as const)));
}

const { left, right, sides } = parted(4), { record, chain: merged } = merge(sides);

Deno.test("a merge has weight, tokens and ledger of the union: what both sides counted counts once", () => {
  const offers = [...offersOf(left, right).values()], tokens = offers.reduce((sum, { tokens }) => sum + tokens, 0);
  assert.deepEqual([merged.tokens, merged.weight], [tokens, tokens], "all are equal, so nothing is capped");
  assert.deepEqual(account(merged.ledger, offers.map(({ ranges }) => ranges)), []);
});

Deno.test("windows that both sides leased anew and trained are listed as duplicated, exactly", () => {
  const both = parted(500), { chain } = merge(both.sides);
  assert.ok(chain.ledger.duplicated > 0, "both sides went beyond the leases they had in common");
  const offers = [...offersOf(both.left, both.right).values()];
  assert.deepEqual(account(chain.ledger, offers.map(({ ranges }) => ranges)), []);
});

Deno.test("a merge follows both sides in round, roster and silence, and the heavier one in what is a choice", () => {
  assert.equal(sides[0].chain, left.chain);
  assert.equal(merged.round, left.chain.round + 1);
  assert.deepEqual(merged.roster.map(({ peer }) => peer), ["finch", "robin", "wren"]);
  const silence = merged.roster.map(({ lastCounted }) => merged.round - lastCounted);
  assert.deepEqual(silence, [0, 0, 0], "each was counted in its side's last record");
  assert.equal(merged.roundMs, left.chain.roundMs);
});

Deno.test("offers on either parent of a merge are one late, whatever their rounds, and are counted once", () => {
  const base = digestOf("base of the merge");
  for (const { chain } of sides) {
    const offer = offerOf("finch", chain);
    assert.equal(ageOf(offer, merged), 1);
    assert.equal(whyNotCountable(digestOf(offer), offer, { parent: merged, base, rules, change: null }), null);
  }
  assert.equal(right.chain.round, left.chain.round - 2);
  for (const [digest, offer] of offersOf(left, right)) {
    assert.notEqual(whyNotCountable(digest, offer, { parent: merged, base, rules, change: null }), null);
  }
});

Deno.test("what a longer side counted of the shorter side's offers is not counted again", () => {
  // An offer on the shorter side's head wanders over and is counted late by the longer one, far from its own head.
  const wanderer = offerOf("finch", right.chain);
  let long = after(left, [offerOf("wren", left.chain), wanderer]);
  for (let round = 0; round < 4; round++) long = after(long, [offerOf("wren", long.chain)]);
  const both = inOrder(
    { chain: long.chain, own: long.chapters.slice(2), shared: new Set() },
    { chain: right.chain, own: right.chapters.slice(2), shared: new Set() },
  );
  const { chain } = merge(both);
  assert.equal(ageOf(wanderer, chain), 1, "by its parent it would be countable");
  const why = whyNotCountable(digestOf(wanderer), wanderer, { parent: chain, base: "" as Digest, rules, change: null });
  assert.equal(why, "it was counted before");
});

Deno.test("weights are averaged by what each side counted since they parted", () => {
  const shares = mergeShares(sides, record.weights)[0]!.map(({ share }) => share);
  assert.deepEqual(shares, [11 * 4 * 64, 3 * 4 * 64]);
});

Deno.test("a merge record of the wrong order, round, rank or states, or of a shallow fork, is invalid", () => {
  assert.equal(whyInvalidMerge(record, sides, rules), null);
  const why = (changes: Partial<typeof record>) => whyInvalidMerge({ ...record, ...changes }, sides, rules) ?? "";
  assert.match(why({ parents: record.parents.toReversed() }), /not in order/);
  assert.match(why({ round: record.round + 1 }), /its round is/);
  assert.match(why({ attempt: 1 }), /in rank/);
  assert.match(why({ bases: record.bases.toReversed() }), /not the state it names/);
  assert.match(why({ weights: record.weights.slice(1) }), /does not name both/);
  assert.match(why({ counted: [{ offer: digestOf(shared), peer: shared.peer, age: 1 }] }), /counts 1 offers/);
  const shallow: Sides = [sides[0], { ...sides[1], own: sides[1].own.slice(1) }];
  assert.match(whyInvalidMerge(record, shallow, rules)!, /2 records of its own, a merge needs 3/);
});
