import { strict as assert } from "node:assert";
import { advance, genesisState } from "./chain.ts";
import { claimed, whyNotBelievable } from "./claims.ts";
import { digestOf } from "./digest.ts";
import { leaseOf } from "./ledger.ts";
import { buildOffer, NO_WORK, whyMalformed, type Work } from "./offer.ts";
import { firstWindows, subtract, union, windowCount } from "./ranges.ts";
import { buildRecord, selectCounted, whyInvalid, whyNotCountable } from "./record.ts";
import { attemptOf } from "./scribe.ts";
import { cappedTokens, weightsOf } from "./tokens.ts";
import type { ChainState, Digest, Offer, PeerId, Range } from "./types.ts";
import { tinyRules } from "../../tests/tiny_rules.ts";

const rules = tinyRules({ run: digestOf("run") });
const base = digestOf("base");
const names = ["finch", "robin", "wren"].map((name) => name as PeerId);

interface Claim {
  readonly ranges?: readonly Range[];
  readonly tokens?: number;
  readonly speed?: number;
  readonly blob?: string;
}

/** An honest offer of the first windows of a lease, but for what is claimed. */
function offerOf(peer: PeerId, chain: ChainState, claim: Claim = {}): Offer {
  const ranges = claim.ranges ?? firstWindows(leaseOf(chain.ledger, peer), 10);
  const work: Work = {
    ...NO_WORK,
    blob: { digest: digestOf(claim.blob ?? { peer, head: chain.head }), sizeBytes: 1 },
    ranges,
    tokens: claim.tokens ?? windowCount(ranges) * rules.contextLength,
    steps: 1,
    speed: claim.speed ?? 100,
  };
  const options = { rules, self: peer, name: peer, device: "cpu", waitMs: 0, transferMs: 0, nextMs: 1 };
  return buildOffer({ chain, base }, work, { ...options, heldOut: null, leaving: false });
}

function next(parent: ChainState, offers: readonly Offer[]): ChainState {
  const byDigest = new Map(offers.map((offer) => [digestOf(offer), offer] as const));
  const counted = selectCounted(byDigest, { parent, base, rules });
  const inOrder = counted.map(({ offer }) => byDigest.get(offer)!), scribe = inOrder[0]!.peer;
  const attempt = attemptOf(parent, scribe);
  const record = buildRecord({ chain: parent, base }, { rules, counted, scribe, attempt, change: null });
  assert.equal(whyInvalid(record, inOrder, { parent, rules }), null);
  return advance(parent, { record, digest: digestOf(record), offers: inOrder, rules });
}

const genesis = genesisState(rules);
const admitted = next(genesis, names.map((peer) => ({ ...offerOf(peer, genesis), ranges: [], tokens: 0, blob: null })));
/** Everybody has worked once: speeds and what is usual are known. */
const working = next(admitted, names.map((peer) => offerOf(peer, admitted)));
const [finch, robin, wren] = names as [PeerId, PeerId, PeerId];

Deno.test("an offer cannot claim more tokens than its windows hold; it may claim fewer, for steps that came to nothing", () => {
  const why = (tokens: number) => whyMalformed(offerOf(wren, working, { tokens }), rules);
  assert.equal(why(640), null);
  assert.equal(why(639), null);
  assert.match(why(641)!, /claims 641 tokens of windows that hold 640/);
});

Deno.test("work within the lease is believed, and so is a lease of another side of a fork", () => {
  const lease = leaseOf(working.ledger, wren);
  assert.equal(whyNotBelievable(offerOf(wren, working, { ranges: lease }), working, rules), null);
  const elsewhere = [{ start: working.ledger.cursor + 100, end: working.ledger.cursor + 100 + windowCount(lease) }];
  assert.equal(whyNotBelievable(offerOf(wren, working, { ranges: elsewhere }), working, rules), null);
});

Deno.test("windows far beyond all that was leased are not believed, so that they do not open a hole in the ledger", () => {
  const far = offerOf(wren, working, { ranges: [{ start: 2 ** 50, end: 2 ** 50 + 1 }] });
  assert.match(
    whyNotBelievable(far, working, rules)!,
    /trained windows up to 1125899906842625, and only \d+ were ever/,
  );
  assert.match(whyNotCountable(digestOf(far), far, { parent: working, base, rules })!, /trained windows up to/);
});

Deno.test("more windows of others than a fork explains are not believed", () => {
  const greedy = offerOf(wren, working, { ranges: [{ start: 0, end: working.ledger.cursor + 1000 }] });
  assert.match(whyNotBelievable(greedy, working, rules)!, /of its windows were not leased to it/);
});

Deno.test("an author claims of its work what others believe, its own lease first", () => {
  const own = leaseOf(working.ledger, wren), { cursor } = working.ledger, on = { peer: wren, chain: working, rules };
  const work = (ranges: readonly Range[]) => ({ ranges, tokens: windowCount(ranges) * rules.contextLength });
  const few = work(union(own, [{ start: cursor + 10, end: cursor + 20 }]));
  assert.equal(claimed(few, on), few);
  // It was fast in a fork, where its lease was larger than anybody's is here.
  const much = [{ start: 0, end: cursor + 1000 }], { ranges, tokens } = claimed(work(much), on);
  assert.equal(whyMalformed(offerOf(wren, working, { ranges, tokens }), rules), null);
  assert.match(whyNotBelievable(offerOf(wren, working, { ranges: much }), working, rules)!, /were not leased to it/);
  assert.equal(whyNotBelievable(offerOf(wren, working, { ranges }), working, rules), null);
  assert.deepEqual(subtract(own, ranges), []);
  const twice = firstWindows(subtract(much, own), 2 * windowCount(subtract(ranges, own)));
  assert.equal(whyNotBelievable(offerOf(wren, working, { ranges: twice }), working, rules), null, "there is room");
});

Deno.test("a speed counts at most double what it was, and a first one at most 16 medians of the others", () => {
  const chain = next(working, [offerOf(wren, working, { speed: 1e8 }), offerOf(finch, working, { speed: 150 })]);
  const speeds = Object.fromEntries(chain.roster.map(({ peer, speed }) => [peer, speed]));
  assert.deepEqual(speeds, { finch: 150, robin: 100, wren: 200 });
  const snail = "snail" as PeerId;
  const joined = next(chain, [{ ...offerOf(snail, chain, { speed: 1e8 }), ranges: [], tokens: 0, blob: null }]);
  assert.equal(joined.roster.find(({ peer }) => peer === snail)?.speed, 16 * 150);
});

Deno.test("a newcomer's lease follows what the others do while nobody knows its speed", () => {
  const snail = "snail" as PeerId;
  const first = { ...offerOf(snail, working, { speed: 0 }), ranges: [], tokens: 0, blob: null };
  const chain = next(working, [first, offerOf(wren, working)]);
  const [own, other] = [snail, wren].map((peer) => windowCount(leaseOf(chain.ledger, peer)));
  assert.ok(own! <= 4 * other!, `${own} windows where ${other} are usual`);
});

Deno.test("the weight of a record is capped by what was usual before, also if one author writes it alone", () => {
  const counted = { offer: base, peer: wren, age: 0 };
  const huge = { ...offerOf(wren, working), tokens: 1e12 };
  assert.equal(working.usual, 640);
  assert.deepEqual(weightsOf([{ counted, offer: huge }], working.usual), [4 * 640]);
  assert.deepEqual(weightsOf([{ counted, offer: huge }], 0), [1e12], "nothing is usual before the first work");
  let chain = working;
  for (let i = 0; i < 3; i++) chain = next(chain, [offerOf(wren, chain, { ranges: leaseOf(chain.ledger, wren) })]);
  assert.ok(chain.usual <= Math.ceil(Math.ceil(Math.ceil(640 * 1.25) * 1.25) * 1.25), "what is usual moves slowly");
});

Deno.test("one contribution counts once, whoever offers it: in one record the first that came, later none", () => {
  const original = offerOf(wren, working, { blob: "work" }), copy = offerOf(finch, working, { blob: "work" });
  const select = (offers: readonly Offer[]) =>
    selectCounted(offers.map((offer): [Digest, Offer] => [digestOf(offer), offer]), { parent: working, base, rules })
      .map(({ peer }) => peer);
  assert.deepEqual(select([original, copy]), [wren]);
  assert.deepEqual(select([copy, original]), [finch]);
  const counted = [copy, original].map((offer) => ({ offer: digestOf(offer), peer: offer.peer, age: 0 }));
  const both = buildRecord({ chain: working, base }, {
    rules,
    counted,
    scribe: wren,
    attempt: attemptOf(working, wren),
    change: null,
  });
  assert.match(whyInvalid(both, [copy, original], { parent: working, rules })!, /of wren although it is copied/);
  const chain = next(working, [original, offerOf(robin, working)]);
  const late = { ...copy, parent: chain.head, round: chain.round + 1 };
  assert.match(whyNotCountable(digestOf(late), late, { parent: chain, base, rules })!, /it is copied/);
});

Deno.test("in the fold an offer weighs at most twice the median of those counted with it; in the history the lower one", () => {
  const offer = offerOf(wren, working), counted = { offer: base, peer: wren, age: 0 };
  const offers = (...tokens: number[]) => tokens.map((tokens) => ({ counted, offer: { ...offer, tokens } }));
  assert.deepEqual(cappedTokens(offers(1, 100, 1)), [1, 2, 1]);
  assert.deepEqual(cappedTokens(offers(8, 4, 2, 1)), [6, 4, 2, 1]);
  assert.deepEqual(cappedTokens(offers(1, 8)), [1, 8], "of two neither is capped");
  assert.deepEqual(cappedTokens(offers(0, 100, 0, 1, 1)), [0, 2, 0, 1, 1], "who brings nothing is no measure");
  assert.deepEqual(weightsOf(offers(8, 4, 2, 1), 0), [4, 4, 2, 1]);
  assert.deepEqual(weightsOf(offers(1, 8), 0), [1, 2]);
});
