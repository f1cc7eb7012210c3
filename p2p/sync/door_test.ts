import { strict as assert } from "node:assert";
import { Book } from "./book.ts";
import { genesisRecord, genesisState } from "./chain.ts";
import type { Context } from "./context.ts";
import { digestOf, stateDigest } from "./digest.ts";
import { whyNoState } from "./door.ts";
import { RULEBOOK } from "./rulebook.ts";
import type { ChainState, Member, PeerId, StateAt } from "./types.ts";
import { Witnesses } from "./witnesses.ts";
import { tinyRules } from "../../tests/tiny_rules.ts";

const rules = tinyRules({ run: digestOf("run") });
const context = { options: { rules, verify: () => true } } as unknown as Context; // what the door uses of it
const weights = { digest: digestOf("weights"), sizeBytes: 1 };
const state: StateAt = {
  kind: "state-at",
  run: rules.run,
  record: genesisRecord(rules),
  chain: genesisState(rules),
  weights,
};
const finch = "finch" as PeerId, robin = "robin" as PeerId;

Deno.test("a state of a record that this peer knows must be the one that the record gives", () => {
  const book = new Book(rules, RULEBOOK), witnesses = new Witnesses();
  const inflated: StateAt = { ...state, chain: { ...state.chain, weight: 1e12 } };
  assert.equal(whyNoState(context, inflated, { book, witnesses }), null, "nothing is known yet");
  book.addState(state.record, state);
  assert.equal(whyNoState(context, state, { book, witnesses }), null);
  assert.match(whyNoState(context, inflated, { book, witnesses })!, /its chain state is not what its records give/);
});

Deno.test("a state that no history of the run leads to is none, whoever confirms it", () => {
  const book = new Book(rules, RULEBOOK), witnesses = new Witnesses(), { ledger } = state.chain;
  const member: Member = { peer: finch, since: 0, lastCounted: 1, speed: 10, nextMs: 1, name: "finch" };
  const lease = (peer: PeerId, end: number) => ({
    ...ledger,
    cursor: 8,
    leases: [{ peer, ranges: [{ start: 0, end }] }],
  });
  const record = { ...state.record, body: { ...state.record.body, round: 7 } };
  const later = { ...state.chain, head: digestOf(record.body), round: 7, roster: [member], ledger: lease(finch, 8) };
  const why = (changes: Partial<ChainState>) =>
    whyNoState(context, { ...state, record, chain: { ...later, ...changes } }, { book, witnesses });
  assert.equal(why({}), null);
  assert.match(why({ roster: [], ledger })!, /no history leads to it: it has no members/);
  assert.match(
    why({ batch: { request: 33, wanted: 33, steps: 0, noise: null } })!,
    /its batch is 33, and the run's are 32 to 32/,
  );
  assert.match(why({ roundMs: 3e10 })!, /its rounds are 30000000000 ms, the run's 5000 to 60000/);
  assert.match(why({ roster: [{ ...member, speed: 1e18 }] })!, /computes 1000000000000000000 tokens\/s/);
  assert.match(why({ ledger: lease(robin, 8) })!, /leases windows to robin, who is no member/);
  assert.match(why({ ledger: lease(finch, 9) })!, /windows up to 9, and leased none from 8 on/);
  const recent = [{ record: later.head, round: 7, parents: [later.head], bases: [], counted: [], blobs: [] }];
  assert.match(why({ recent })!, /record 7 has 1 parents and 0 states/);
});

Deno.test("weights that more peers deny than confirm are no state", () => {
  const book = new Book(rules, RULEBOOK), witnesses = new Witnesses(), { head } = state.chain;
  const told = stateDigest(state.chain, weights.digest);
  witnesses.says({ peer: finch, head, base: told, cell: "" });
  witnesses.says({ peer: robin, head, base: digestOf("other"), cell: "" });
  assert.equal(whyNoState(context, state, { book, witnesses }), null, "one against one");
  witnesses.says({ peer: "wren" as PeerId, head, base: digestOf("other"), cell: "" });
  assert.match(whyNoState(context, state, { book, witnesses })!, /2 name another state, 1 this one/);
});

Deno.test("a state whose list of members the owner did not sign is none", () => {
  const book = new Book(rules, RULEBOOK), witnesses = new Witnesses();
  const members = {
    kind: "signed",
    body: { kind: "change", run: rules.run, number: 1, allowed: [] },
    signature: new Uint8Array(64),
  } as const;
  const forger = { options: { rules: { ...rules, owner: finch }, verify: () => false } } as unknown as Context;
  const given: StateAt = { ...state, chain: { ...state.chain, members } };
  assert.match(whyNoState(forger, given, { book, witnesses })!, /its change of members is refused: it is not signed/);
});
