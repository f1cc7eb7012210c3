import { strict as assert } from "node:assert";
import { tinyRules } from "../../tests/tiny_rules.ts";
import { genesisState } from "./chain.ts";
import { viewOf } from "./cells.ts";
import { deal } from "./dealing.ts";
import { digestOf } from "./digest.ts";
import { leaseOf } from "./ledger.ts";
import { buildOffer, NO_WORK, whyMalformed } from "./offer.ts";
import { localBatch } from "./balance.ts";
import { whyImpossible } from "./possible_state.ts";
import { whyNotCountable } from "./record.ts";
import { foldParts } from "./tokens.ts";
import type { ChainState, Lineage, Member, Offer, PeerId } from "./types.ts";

const rules = tinyRules({
  batch: 8,
  contextLength: 64,
  cellSize: 2,
  batching: {
    ...{ policy: "adloco", lineages: 3, mergeEvery: 2, test: "none", variant: "corrected" },
    ...{ eta: 0.7, theta: 0.5, nu: 1, most: null, ceilingTokens: null },
  },
});
const base = digestOf("base"), [wren, finch, robin] = ["wren", "finch", "robin"] as PeerId[];

/** A state of three members, of whom each trains the lineage of its place, with windows leased. */
function stateOf(): ChainState {
  const genesis = genesisState(rules);
  const roster = [finch!, robin!, wren!].map((peer): Member => (
    { peer, since: 1, lastCounted: 4, speed: 1_000, nextMs: 1_000, name: peer, hosts: [] }
  ));
  const leases = roster.map(({ peer }, i) => ({ peer, ranges: [{ start: 64 * i, end: 64 * i + 64 }] }));
  return {
    ...genesis,
    round: 4,
    head: digestOf("head"),
    roster: deal(roster, genesis.lineages),
    ledger: { cursor: 192, leases, returned: [], duplicated: 0 },
  };
}

function offerOf(peer: PeerId, chain: ChainState, changes: Partial<Offer> = {}): Offer {
  const [lease] = leaseOf(chain.ledger, peer), ranges = [{ start: lease!.start, end: lease!.start + 8 }];
  const work = { ...NO_WORK, blob: { digest: digestOf(peer), sizeBytes: 8 }, tokens: 512, steps: 1, ranges };
  const about = { rules, self: peer, name: peer, device: "cpu", waitMs: 1, transferMs: 1, nextMs: 1_000 };
  return { ...buildOffer({ chain, base }, work, { ...about, heldOut: null, leaving: false }), ...changes };
}

Deno.test("an offer names the lineage that its author trains, and one of another is not counted", () => {
  const parent = stateOf(), why = (offer: Offer) => whyNotCountable(digestOf(offer), offer, { parent, base, rules });
  for (const [i, { peer }] of parent.roster.entries()) {
    const own = parent.roster[i]!.hosts[0]!, offer = offerOf(peer, parent), wrong = (own + 1) % 3;
    assert.deepEqual([offer.lineage, why(offer)], [own, null]);
    assert.equal(why({ ...offer, lineage: wrong }), `it is of lineage ${wrong}, and its author trains ${own}`);
  }
  const joiner = { ...offerOf(wren!, parent), blob: null, tokens: 0, steps: 0, ranges: [], lineage: 2 };
  assert.equal(why(joiner), null, "who asks to be admitted trains nothing");
  assert.match(whyMalformed({ ...offerOf(wren!, parent), lineage: 3 }, rules)!, /of lineage 3, .* began with 3/);
});

Deno.test("a late offer belongs to the lineage that has its own in it by then", () => {
  const [a, b, c] = stateOf().lineages as [Lineage, Lineage, Lineage];
  const counted = [0, 1, 2].map((lineage) => {
    const offer = { ...offerOf(wren!, stateOf()), lineage };
    return { counted: { offer: digestOf(offer), peer: wren!, age: 2 }, offer };
  });
  const placesAmong = (lineages: readonly Lineage[]) => foldParts(counted, { rules, lineages }).map(({ at }) => at);
  assert.deepEqual(placesAmong([a, b, c]), [0, 1, 2]);
  assert.deepEqual(placesAmong([b, { ...c, from: [0, 2] }]), [1, 0, 1]);
});

Deno.test("who trains a lineage alone does all of its batch; those who train it together share it", () => {
  const chain = { ...stateOf(), roundMs: 60_000 };
  assert.deepEqual(chain.roster.map(({ peer }) => localBatch(chain, peer, rules)), [8, 8, 8]);
  const roster = chain.roster.map((member, i) => ({ ...member, hosts: [i === 0 ? 0 : 1] }));
  const two = { ...chain, roster, lineages: chain.lineages.slice(0, 2) };
  assert.deepEqual(roster.map(({ peer }) => localBatch(two, peer, rules)), [8, 4, 4]);
});

Deno.test("a state of several lineages is not split, however many members it has", () => {
  const chain = stateOf();
  assert.equal(viewOf(chain, "0".repeat(32), rules), chain);
  const [only] = chain.lineages, one = { ...chain, lineages: [{ ...only!, from: [0, 1, 2] }] };
  assert.notEqual(viewOf(one, "0".repeat(32), rules), one);
});

Deno.test("no history leads to lineages that are not those of the beginning, or that nobody trains", () => {
  const chain = stateOf(), [a, b, c] = chain.lineages as [Lineage, Lineage, Lineage];
  const why = (changes: Partial<ChainState>) => whyImpossible({ ...chain, ...changes }, rules);
  assert.equal(why({}), null);
  assert.match(why({ lineages: [a, b] })!, /made of 0, 1, and the run began with 3/);
  assert.match(why({ lineages: [a, b, b] })!, /made of 0, 1, 1,/);
  assert.match(why({ lineages: [b, a, c] })!, /are called 1, 0, 2/);
  assert.match(why({ lineages: [{ ...a, id: 1 }, b, c] })!, /are called 1, 1, 2/);
  assert.match(why({ lineages: [a, b, { ...c, batch: { ...c.batch, request: 9 } }] })!, /its batch is 9/);
  const hosting = (hosts: readonly number[]) => chain.roster.map((member) => ({ ...member, hosts }));
  assert.match(why({ roster: hosting([]) })!, /trains lineage none/);
  assert.match(why({ roster: hosting([0, 1, 3]) })!, /trains lineage 0, 1, 3/);
  assert.match(why({ roster: hosting([0, 1]) })!, /nobody trains its lineage 2/);
  assert.match(why({ merged: { round: 5, kept: 1, gone: 0, shares: [1, 1] } })!, /in round 5 of 4/);
});
