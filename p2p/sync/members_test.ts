import { strict as assert } from "node:assert";
import { identity } from "../../tests/conformance/transport.ts";
import { verifySignature } from "../identity.ts";
import { advance, genesisState } from "./chain.ts";
import { createCore } from "./core.ts";
import type { Context } from "./context.ts";
import { digestOf } from "./digest.ts";
import type { Effect, SyncEvent } from "./effects.ts";
import { Membership, signChange, whyForgedChange } from "./members.ts";
import { buildOffer, NO_WORK } from "./offer.ts";
import { buildRecord, selectCounted, whyInvalid } from "./record.ts";
import { attemptOf } from "./scribe.ts";
import type { ChainState, Change, Digest, Offer, PeerId, Signed } from "./types.ts";
import { tinyRules } from "../../tests/tiny_rules.ts";

const [owner, finch, robin] = [0, 1, 2].map(identity) as [Identity, Identity, Identity];
type Identity = ReturnType<typeof identity>;

const rules = tinyRules({ run: digestOf("run"), owner: owner.peer });
const base = digestOf("base");
const verify = (digest: Digest, signature: Uint8Array, author: PeerId) => verifySignature(author, digest, signature);
const changeTo = (number: number, ...allowed: readonly Identity[]) =>
  signChange({ run: rules.run, number, allowed: allowed.map(({ peer }) => peer) }, owner.sign);

function zeroOffer({ peer }: Identity, chain: ChainState): Offer {
  const options = { rules, self: peer, name: "x", device: "cpu", waitMs: 0, transferMs: 0, nextMs: 1 };
  return buildOffer({ chain, base }, NO_WORK, { ...options, heldOut: null, leaving: false });
}

/** Why a record of these authors may not follow, and the state after it if it may. */
function record(parent: ChainState, authors: readonly Identity[], change: Signed<Change> | null) {
  const offers = authors.map((author) => zeroOffer(author, parent)).sort((a, b) => a.peer < b.peer ? -1 : 1);
  const counted = offers.map((offer) => ({ offer: digestOf(offer), peer: offer.peer, age: 0 }));
  const scribe = authors[0]!.peer, attempt = attemptOf(parent, scribe);
  const body = buildRecord({ chain: parent, base }, { rules, counted, scribe, attempt, change });
  const why = whyInvalid(body, offers, { parent, rules });
  return { why, chain: advance(parent, { record: body, digest: digestOf(body), offers, rules }) };
}

const genesis = genesisState(rules);

Deno.test("a record counts the owner alone before any change, and afterwards whom the change names", () => {
  assert.equal(record(genesis, [owner], null).why, null);
  assert.match(record(genesis, [owner, finch], null).why!, /is not on the list of the run's owner \(change 0\)/);
  const changed = record(genesis, [owner, finch], changeTo(1, finch));
  assert.equal(changed.why, null);
  assert.equal(record(changed.chain, [finch, owner], null).why, null);
  assert.match(record(changed.chain, [owner, robin], null).why!, /\(change 1\)/);
});

Deno.test("whoever a change removes is neither counted nor scribe from its record on, and leaves the roster", () => {
  const { chain } = record(genesis, [owner, finch, robin], changeTo(1, finch, robin));
  const removal = changeTo(2, robin);
  assert.match(record(chain, [owner, finch], removal).why!, /not on the list/);
  const { why, chain: after } = record(chain, [owner, robin], removal);
  assert.equal(why, null);
  assert.deepEqual(after.roster.map(({ peer }) => peer), [owner.peer, robin.peer].sort());
  assert.ok(after.ledger.leases.every(({ peer }) => peer !== finch.peer));
  const asScribe = buildRecord({ chain, base }, {
    rules,
    counted: [],
    scribe: finch.peer,
    attempt: attemptOf(chain, finch.peer),
    change: removal,
  });
  const counted = selectCounted([[digestOf(zeroOffer(owner, chain)), zeroOffer(owner, chain)]], {
    parent: chain,
    base,
    rules,
    change: removal,
  });
  assert.match(
    whyInvalid({ ...asScribe, counted }, [zeroOffer(owner, chain)], { parent: chain, rules })!,
    /not on the/,
  );
});

Deno.test("a record cannot take the list back to an older change, nor change it in a run that has none", () => {
  const { chain } = record(genesis, [owner, finch], changeTo(5, finch));
  assert.match(record(chain, [owner], changeTo(5, robin)).why!, /carries change 5 of the members after change 5/);
  assert.match(record(chain, [owner], changeTo(4, robin)).why!, /change 4 .* after change 5/);
  const open = { ...rules, owner: null }, offer = zeroOffer(owner, genesis);
  const counted = [{ offer: digestOf(offer), peer: offer.peer, age: 0 }];
  const body = buildRecord({ chain: genesis, base }, {
    rules: open,
    counted,
    scribe: owner.peer,
    attempt: 0,
    change: changeTo(1, finch),
  });
  assert.match(whyInvalid(body, [offer], { parent: genesis, rules: open })!, /a run that has no list/);
});

Deno.test("a change is the owner's, of this run, or nothing", () => {
  const change = changeTo(1, finch);
  assert.equal(whyForgedChange(change, { rules, verify }), null);
  const byFinch = signChange(change.body, finch.sign);
  assert.match(whyForgedChange(byFinch, { rules, verify })!, /not signed by the run's owner/);
  const more = { ...change, body: { ...change.body, allowed: [finch.peer, robin.peer].sort() } };
  assert.match(whyForgedChange(more, { rules, verify })!, /not signed/);
  assert.match(whyForgedChange(change, { rules: { ...rules, run: digestOf("other") }, verify })!, /belongs to run/);
});

function contextOf({ peer }: Identity) {
  const effects: Effect[] = [], events: SyncEvent[] = [];
  const context = {
    options: { rules, self: peer },
    emit: (effect: Effect) => effects.push(effect),
    report: (event: SyncEvent) => events.push(event),
  } as unknown as Context; // what a membership uses of it
  return { context, effects, events };
}

Deno.test("the newest change known decides at once whom the network lets in, and is written down before", () => {
  const membership = new Membership(), { context, effects, events } = contextOf(finch);
  membership.admit(context);
  assert.deepEqual(
    effects,
    [{ kind: "admit", peers: null }],
    "whoever knows no list with itself on it must hear of one",
  );
  assert.equal(membership.learn(context, changeTo(2, finch)), true);
  assert.deepEqual(effects.slice(1).map(({ kind }) => kind), ["journal", "admit"]);
  assert.deepEqual(effects.at(-1), { kind: "admit", peers: [owner.peer, finch.peer].sort() });
  assert.equal(membership.learn(context, changeTo(1, finch, robin)), false, "an older change is no news");
  assert.deepEqual([...events], [{ kind: "members", number: 2, allowed: [finch.peer] }]);
  membership.learn(context, changeTo(3, robin));
  assert.equal(events.length, 3);
  const [, , told] = events;
  assert.match(told?.kind === "waiting" ? told.reason : "", new RegExp(`Ask the owner .* --allow ${finch.peer}`));
});

Deno.test("a beat that knows an older change is answered with the newest, once", () => {
  const membership = new Membership(), { context, effects } = contextOf(owner);
  const change = changeTo(2, finch);
  membership.learn(context, change);
  effects.length = 0;
  membership.onBeat(context, { peer: finch.peer, change: 2 });
  assert.deepEqual(effects, []);
  for (let i = 0; i < 3; i++) membership.onBeat(context, { peer: finch.peer, change: 1 });
  assert.deepEqual(effects, [{ kind: "send", to: finch.peer, message: change }]);
  membership.disconnect(finch.peer);
  membership.onBeat(context, { peer: finch.peer, change: 0 });
  assert.equal(effects.length, 2, "what was sent may have been lost with the connection");
});

Deno.test("a core that restarts knows the list it had, lets in nobody else, and tells whoever is behind", () => {
  const change = changeTo(3, finch), { peer: self, sign } = owner;
  const core = createCore({ self, rules, name: "owner", device: "cpu", sign, verify });
  const initial = { digest: digestOf("initial"), sizeBytes: 1 };
  const started = core.handle(0, { kind: "start", initial, found: false, journal: [{ kind: "change", change }] });
  assert.deepEqual(started.find(({ kind }) => kind === "admit"), {
    kind: "admit",
    peers: [owner.peer, finch.peer].sort(),
  });
  core.handle(1, { kind: "connected", peer: finch.peer });
  const nowhere = digestOf("nowhere");
  const effects = core.handle(2, {
    kind: "message",
    from: finch.peer,
    message: {
      kind: "beat",
      run: rules.run,
      peer: finch.peer,
      head: nowhere,
      base: nowhere,
      round: 1,
      weight: 0,
      change: 1,
      cell: "",
    },
  });
  assert.deepEqual(effects, [{ kind: "send", to: finch.peer, message: change }]);
});
