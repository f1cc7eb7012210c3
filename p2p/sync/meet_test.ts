import { strict as assert } from "node:assert";
import { tinyRules } from "../../tests/tiny_rules.ts";
import { digitsOf } from "./cells.ts";
import { ownedIn } from "./classes.ts";
import { advance, genesisState, settleLeases } from "./chain.ts";
import { baseOf, bodyDigest, digestOf, stateDigest } from "./digest.ts";
import { trainedIn } from "./ledger.ts";
import { buildMeeting, isDue, meetingRanking, meetingSides, whyNoMeeting } from "./meet.ts";
import { windowCount } from "./ranges.ts";
import type { ChainState, Ledger, Member, Met, PeerId, RoundRecord } from "./types.ts";

const rules = tinyRules({ cellSize: 4, cellRounds: 4 });
const weights = { digest: digestOf("weights"), sizeBytes: 8 };

/** The state of a cell of three, some rounds after it was split off in round 1. */
function stateOf(cell: string, ledger: Partial<Ledger> = {}): ChainState {
  const genesis = genesisState(rules);
  const peers = Array.from({ length: 200 }, (_, i) => `peer${i}` as PeerId);
  const roster = peers.filter((peer) => digitsOf(rules, peer).startsWith(cell)).slice(0, 3).sort()
    .map((peer): Member => ({ peer, since: 1, lastCounted: 9, speed: 1000, nextMs: 10_000, name: peer }));
  const settled = settleLeases(genesis.ledger, roster, { ...genesis, rules, cell });
  return {
    ...genesis,
    round: 9,
    usual: 10 * rules.contextLength,
    cell,
    met: [1, 1],
    roster,
    ledger: { ...settled, ...ledger },
  };
}

const own = stateOf("00");
const other = stateOf("01", { cursor: 1000, leases: [], returned: [{ start: 300, end: 500 }] });
const met: Met = {
  cell: other.cell,
  record: other.head,
  known: trainedIn(other.ledger),
  rest: digestOf(other),
  weights,
};
const [scribe] = meetingRanking(own);
const record = buildMeeting({ chain: own, base: digestOf("base") }, { rules, scribe: scribe!, attempt: 0, met });
const why = (changes: Partial<RoundRecord>, parent = own) => whyNoMeeting({ ...record, ...changes }, parent, rules);

Deno.test("a meeting alone says which state it met: no scribe can change a part of it and keep the state's digest", () => {
  const base = stateDigest(other, weights.digest), named = { ...met, weights: weights.digest };
  assert.equal(baseOf(named), base);
  assert.notEqual(baseOf({ ...named, known: [{ start: 0, end: 2000 }] }), base);
  assert.notEqual(baseOf({ ...named, weights: digestOf("made up") }), base);
});

Deno.test("a meeting changes weights and what is known of others' windows, and nothing of its own cell's account", () => {
  const after = advance(own, { record, digest: bodyDigest(record), offers: [], rules });
  assert.equal(why({}), null);
  assert.deepEqual([after.round, after.weight, after.cell, after.met], [10, own.weight, "00", [1, 10]]);
  assert.deepEqual(after.ledger.leases, own.ledger.leases);
  assert.deepEqual(ownedIn(trainedIn(after.ledger), "00"), ownedIn(trainedIn(own.ledger), "00"));
  const foreign = windowCount(met.known) - windowCount(ownedIn(met.known, "00"));
  assert.equal(after.tokens - own.tokens, rules.contextLength * foreign);
  assert.equal(after.ledger.duplicated, own.ledger.duplicated);
  assert.deepEqual(after.roster.map(({ lastCounted }) => lastCounted), [10, 10, 10], "nobody grows more silent by it");
});

Deno.test("meeting again tells nothing new and counts nothing twice", () => {
  const once = advance(own, { record, digest: bodyDigest(record), offers: [], rules });
  const again = advance(once, { record: { ...record, round: 11 }, digest: digestOf("again"), offers: [], rules });
  assert.equal(again.tokens, once.tokens);
  assert.deepEqual(again.ledger, once.ledger);
});

Deno.test("a meeting with a cell that came back gives up what both own, and what is leased of it", () => {
  const taken = { ...stateOf("10"), cell: "*0", met: [1, 1] }, back = { ...met, cell: "0" };
  const meeting = buildMeeting({ chain: taken, base: digestOf("base") }, {
    rules,
    scribe: meetingRanking(taken)[0]!,
    attempt: 0,
    met: back,
  });
  assert.equal(whyNoMeeting(meeting, taken, rules), null);
  const leased = settleLeases({ ...taken.ledger, leases: [] }, taken.roster, { ...taken, rules });
  const after = advance({ ...taken, ledger: leased }, {
    record: meeting,
    digest: bodyDigest(meeting),
    offers: [],
    rules,
  });
  assert.deepEqual([after.cell, after.met, after.batch], ["10", [10, 1], taken.batch]);
  for (const { ranges } of after.ledger.leases) assert.deepEqual(ownedIn(ranges, "10"), ranges);
  assert.ok(
    leased.leases.some(({ ranges }) => windowCount(ownedIn(ranges, "00")) > 0),
    "there was something to give up",
  );
});

Deno.test("both cells count as the parts of the run that they are", () => {
  assert.deepEqual(meetingSides(record, { met, own: weights.digest }).map(({ share }) => share), [1 / 4, 1 / 4]);
  const wider = meetingSides(record, { met: { ...met, cell: "1" }, own: weights.digest });
  assert.deepEqual(wider.map(({ share }) => share), [1 / 4, 1 / 2]);
});

Deno.test("an edge is due when it was not met for so many rounds as the cell has edges, and no edge just was", () => {
  assert.equal(isDue({ ...own, round: 8 }, { edge: 1, rules }), false);
  assert.equal(isDue({ ...own, round: 8 }, { edge: 1, rules, ahead: 1 }), true);
  assert.equal(isDue({ ...own, met: [1, 6] }, { edge: 0, rules }), false);
  assert.equal(isDue({ ...own, met: [1, 5] }, { edge: 0, rules }), true);
});

Deno.test("what is no meeting is refused, with the reason", () => {
  assert.match(why({ met: null })!, /meets nobody/);
  assert.match(why({ cell: "01" })!, /is of cell '01' after a state of cell '00'/);
  assert.match(why({ met: { ...met, cell: "0" } })!, /beyond no edge/);
  assert.match(why({ met: { ...met, cell: "*0" } })!, /beyond no edge/);
  assert.match(why({ counted: [{ offer: digestOf("offer"), peer: scribe!, age: 0 }] })!, /counts 1 offers/);
  assert.match(why({}, { ...own, met: [1, 7] })!, /was met in round 7/);
  assert.match(why({ round: 11 })!, /its round is 11/);
  assert.match(why({ attempt: 1 })!, /not number 1 in rank/);
  assert.match(why({ scribe: "stranger" as PeerId })!, /is no member/);
  assert.match(why({ weights: [weights] })!, /that alone/);
  assert.match(whyNoMeeting(record, { ...own, tokens: 5 }, { ...rules, targetTokens: 5 })!, /reached its target/);
});
