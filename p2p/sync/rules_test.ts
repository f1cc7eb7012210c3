import { strict as assert } from "node:assert";
import { advance, genesisState } from "./chain.ts";
import { digestOf } from "./digest.ts";
import { exclusive, isHeavier } from "./fork.ts";
import { ageOf, buildRecord, selectCounted, whyInvalid, whyNotCountable } from "./record.ts";
import { nextRoundMs } from "./round_length.ts";
import { attemptOf, ranking } from "./scribe.ts";
import { buildOffer, NO_WORK, type Work } from "./offer.ts";
import type { ChainState, Digest, Offer, PeerId } from "./types.ts";
import { tinyRules } from "../../tests/tiny_rules.ts";

const rules = tinyRules({ run: digestOf("run") });
const base = digestOf("base");
const work: Work = { ...NO_WORK, blob: { digest: digestOf("blob"), sizeBytes: 1 }, tokens: 640, steps: 1, speed: 100 };

function offerOf(peer: string, chain: ChainState, changes: Partial<Offer> = {}): Offer {
  const options = { rules, self: peer as PeerId, name: peer, device: "cpu", waitMs: 0, transferMs: 0, nextMs: 1 };
  const blob = { digest: digestOf({ peer, head: chain.head }), sizeBytes: 1 };
  return {
    ...buildOffer({ chain, base }, { ...work, blob }, { ...options, heldOut: null, leaving: false }),
    ...changes,
  };
}

/** The state after one more record that counts these offers, and the record. */
function next(chain: ChainState, offers: readonly Offer[]) {
  const byDigest = new Map(offers.map((offer) => [digestOf(offer), offer] as const));
  const counted = selectCounted(byDigest, { parent: chain, base, rules });
  const scribe = offers[0]!.peer;
  const record = buildRecord({ chain, base }, {
    rules,
    counted,
    scribe,
    attempt: attemptOf(chain, scribe),
    change: null,
  });
  const inOrder = counted.map(({ offer }) => byDigest.get(offer)!);
  assert.equal(whyInvalid(record, inOrder, { parent: chain, rules }), null);
  return { record, inOrder, chain: advance(chain, { record, digest: digestOf(record), offers: inOrder, rules }) };
}

const genesis = genesisState(rules);
const zero = { blob: null, tokens: 0, steps: 0, speed: 0 };
const founded = next(genesis, ["wren", "finch"].map((peer) => offerOf(peer, genesis, zero))).chain;

Deno.test("a counted first offer admits its author and leases windows to it", () => {
  assert.deepEqual(founded.roster.map(({ peer }) => peer), ["finch", "wren"]);
  assert.equal(founded.ledger.leases.length, 2);
  assert.equal(founded.weight, 0);
});

Deno.test("weight is capped at twice the median, tokens are not", () => {
  const { chain } = next(founded, [offerOf("wren", founded), offerOf("finch", founded, { tokens: 64_000 })]);
  assert.deepEqual([chain.tokens, chain.weight], [64_640, 640 + 1_280]);
});

Deno.test("a late offer is counted with its age, once, and not beyond S rounds", () => {
  const late = offerOf("finch", founded), digest = digestOf(late);
  let { chain } = next(founded, [offerOf("wren", founded)]);
  assert.equal(ageOf(late, chain), 1);
  const counted = next(chain, [offerOf("wren", chain), late]).chain;
  assert.equal(whyNotCountable(digest, late, { parent: counted, base, rules }), "it was counted before");
  for (let i = 0; i < 3; i++) chain = next(chain, [offerOf("wren", chain)]).chain;
  assert.match(whyNotCountable(digest, late, { parent: chain, base, rules })!, /4 rounds late, 3 is the most/);
});

Deno.test("an offer that was trained on another state is not countable, now or late", () => {
  const other = offerOf("finch", founded, { base: digestOf("other") }), digest = digestOf(other);
  const { chain } = next(founded, [offerOf("wren", founded)]);
  for (const parent of [founded, chain]) {
    assert.match(whyNotCountable(digest, other, { parent, base, rules })!, /trained on state/);
  }
});

Deno.test("a record out of order, of a wrong rank, or that misstates an age is invalid", () => {
  const { record, inOrder } = next(founded, [offerOf("wren", founded), offerOf("finch", founded)]);
  const why = (changes: Partial<typeof record>, offers = inOrder) =>
    whyInvalid({ ...record, ...changes }, offers, { parent: founded, rules });
  assert.match(why({ counted: record.counted.toReversed() }, inOrder.toReversed())!, /not in order/);
  assert.match(why({ attempt: record.attempt + 1 })!, /in rank/);
  assert.match(why({ counted: record.counted.map((entry) => ({ ...entry, age: 1 })) })!, /misstates/);
  assert.match(why({ counted: [] }, [])!, /counts 0 offers/);
});

Deno.test("a member leaves by saying so, or by R rounds of silence, and its lease returns", () => {
  const gone = next(founded, [offerOf("wren", founded), offerOf("finch", founded, { leaving: true })]).chain;
  assert.deepEqual(gone.roster.map(({ peer }) => peer), ["wren"]);
  assert.ok(gone.ledger.leases.every(({ peer }) => peer === "wren"));
  let chain = founded;
  for (let i = 0; i < rules.rosterRounds; i++) chain = next(chain, [offerOf("wren", chain)]).chain;
  assert.deepEqual(chain.roster.map(({ peer }) => peer), ["wren"]);
});

Deno.test("everybody ranks the members alike, and whoever is no member comes last", () => {
  assert.deepEqual(ranking(founded).toSorted(), ["finch", "wren"]);
  assert.equal(attemptOf(founded, "snail" as PeerId), 2);
});

Deno.test("rounds grow while closing them costs too much, shrink when it is cheap, and stay within bounds", () => {
  const waits = (waitMs: number) => [offerOf("wren", founded, { waitMs })];
  assert.equal(nextRoundMs(10_000, waits(5_000), rules), 12_500);
  assert.equal(nextRoundMs(10_000, waits(10), rules), 8_000);
  assert.equal(nextRoundMs(5_000, waits(10), rules), 5_000);
  assert.equal(nextRoundMs(10_000, [], rules), 10_000);
});

Deno.test("the heavier history wins, then the longer, then the lower digest", () => {
  const standing = (weight: number, round: number, head: string) => ({ weight, round, head: head as Digest });
  assert.ok(isHeavier(standing(2, 1, "b"), standing(1, 9, "a")));
  assert.ok(isHeavier(standing(1, 2, "b"), standing(1, 1, "a")));
  assert.ok(isHeavier(standing(1, 1, "a"), standing(1, 1, "b")));
  assert.equal(isHeavier(standing(1, 1, "a"), standing(1, 1, "a")), false);
});

const graph = (edges: Readonly<Record<string, readonly [number, ...string[]]>>) =>
  new Map(
    Object.entries(edges).map(([digest, [round, ...parents]]) =>
      [digest, { digest: digest as Digest, round, parents: parents as Digest[] }] as const
    ),
  );

Deno.test("exclusive() finds what one history has and another has not, across merges, and says if that is not known", () => {
  const nodes = graph({
    a: [1],
    b2: [2, "a"],
    b3: [3, "b2"],
    c2: [2, "a"],
    c3: [3, "c2"],
    c4: [4, "c3"],
    m5: [5, "c4", "b3"],
    d6: [6, "m5"],
    x9: [9, "unknown"],
  });
  const only = (ours: string, theirs: string, most?: number) =>
    exclusive([nodes.get(ours)!], [nodes.get(theirs)!], {
      find: (digest) => nodes.get(digest),
      ...most !== undefined && { most },
    })?.map(({ digest }) => digest) ?? null;
  assert.deepEqual(only("b3", "c4"), ["b3", "b2"]);
  assert.deepEqual(only("c4", "b3", 2), ["c4", "c3"]);
  assert.deepEqual(only("b3", "d6"), []);
  assert.deepEqual(only("d6", "b3"), ["d6", "m5", "c4", "c3", "c2"]);
  assert.deepEqual(only("d6", "c4"), ["d6", "m5", "b3", "b2"]);
  assert.equal(only("b3", "x9"), null);
  assert.equal(only("x9", "b3"), null);
  assert.deepEqual(only("x9", "x9"), []);
});
