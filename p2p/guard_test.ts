/**
 * What a host does with those who may not take part, and with those who lie: seen from outside, over the memory network.
 */
import { strict as assert } from "node:assert";
import { connectBoth, identity } from "../tests/conformance/transport.ts";
import { ManualClock } from "../tests/manual_clock.ts";
import { openStubLearner } from "../tests/stub_learner.ts";
import { fetchGenesis, runIdOf } from "./genesis.ts";
import { type Host, startHost } from "./host.ts";
import type { HostEvent } from "./host_event.ts";
import { fetchBlob } from "./net/blobs.ts";
import { MemoryNetwork } from "./net/memory.ts";
import type { Transport } from "./net/transport.ts";
import { MemoryJournal } from "./store/journal.ts";
import { MemoryBlobStore } from "./store/memory.ts";
import { bodyDigest, digestOf } from "./sync/digest.ts";
import { signChange } from "./sync/members.ts";
import { buildOffer, NO_WORK } from "./sync/offer.ts";
import { buildRecord } from "./sync/record.ts";
import { attemptOf } from "./sync/scribe.ts";
import type { ChainState, Offer, Signed, SyncRules } from "./sync/types.ts";
import { encodeMessage } from "./wire.ts";
import { tinyRules } from "../tests/tiny_rules.ts";

const genesis = new TextEncoder().encode(`{"name":"club"}`);
const OWNER = 0;
const rules = tinyRules({
  run: await runIdOf(genesis),
  firstRoundMs: 2000,
  leastRoundMs: 1000,
  longestRoundMs: 10_000,
  batch: 8,
  contextLength: 16,
});
const listed: SyncRules = { ...rules, owner: identity(OWNER).peer };

interface Peer {
  readonly host: Host;
  readonly events: HostEvent[];
  readonly transport: Transport;
}

async function start(n: number, at: { clock: ManualClock; network: MemoryNetwork; rules: SyncRules }): Promise<Peer> {
  const events: HostEvent[] = [], transport = at.network.join(identity(n).peer);
  const host = await startHost({
    identity: identity(n),
    rules: at.rules,
    genesis,
    runBlobs: [],
    found: n === OWNER,
    addresses: n === OWNER ? [] : [`/memory/${identity(OWNER).peer}`],
    name: `peer ${n}`,
    device: "stub",
    transport,
    store: new MemoryBlobStore(),
    journal: new MemoryJournal(),
    learner: openStubLearner({ contextLength: rules.contextLength, pull: 0.1 + n / 100 }),
    clock: at.clock,
    onEvent: (event) => events.push(event),
  });
  return { host, events, transport };
}

function chainOf({ host }: Peer): ChainState | null {
  return host.status().chain;
}

function round(peer: Peer): number {
  return chainOf(peer)?.round ?? -1;
}

function membersOf(peer: Peer): readonly string[] {
  return chainOf(peer)?.roster.map(({ peer }) => peer) ?? [];
}

function change(number: number, ...allowed: readonly number[]) {
  const peers = allowed.map((n) => identity(n).peer);
  return signChange({ run: rules.run, number, allowed: peers }, identity(OWNER).sign);
}

/** Why things of others were dropped, in order, as "what of whom: why". */
function rejections({ events }: Peer): readonly string[] {
  return events.flatMap((event) =>
    event.kind === "rejected" ? [`${event.what} of ${event.peer}: ${event.reason}`] : []
  );
}

Deno.test("the owner's list decides who takes part: allowed, removed while connected, heard of from others", async () => {
  const clock = new ManualClock(), network = new MemoryNetwork(), at = { clock, network, rules: listed };
  const owner = await start(OWNER, at), finch = await start(1, at), robin = await start(2, at);
  const [finchId, robinId] = [finch.host.peer, robin.host.peer];
  await clock.runUntil("the owner trains alone", () => round(owner) >= 2);
  assert.deepEqual(owner.transport.peers(), [], "nobody else is on the list yet");

  owner.host.change(change(1, 1, 2));
  await clock.runUntil("both are members by a record", () => membersOf(owner).length === 3);
  assert.equal(chainOf(owner)!.members?.body.number, 1);
  await clock.runUntil("they know the list", () => chainOf(robin)?.members?.body.number === 1);

  await clock.runUntil("all are connected", () => robin.transport.peers().length === 2);
  for (const peer of [owner.host.peer, finchId]) network.cut(peer, robinId); // what is announced now is lost to robin
  owner.host.change(change(2, 1, 2, 3));
  const knows = ({ events }: Peer, number: number) =>
    events.some((event) => event.kind === "members" && event.number === number);
  await clock.runUntil("finch knows the newer list", () => knows(finch, 2));
  assert.equal(knows(robin, 2), false);
  network.mend(finchId, robinId);
  await clock.runUntil("robin hears of it from finch", () => knows(robin, 2));

  network.mend(identity(OWNER).peer, robinId);
  owner.host.change(change(3, 2, 3));
  await clock.runUntil("finch is cut off", () => finch.transport.peers().length === 0);
  assert.ok(!owner.transport.peers().includes(finchId) && !robin.transport.peers().includes(finchId));
  await clock.runUntil("no record counts finch any more", () => !membersOf(owner).includes(finchId));
  assert.ok(chainOf(owner)!.ledger.leases.every(({ peer }) => peer !== finchId), "its lease went back");
  const then = chainOf(owner)!.round;
  await clock.runUntil(
    "owner and robin go on",
    () => chainOf(owner)!.round > then + 2 && chainOf(robin)!.round > then + 2 && membersOf(owner).includes(robinId),
  );
  assert.equal(membersOf(owner).includes(finchId), false);
  for (const { host } of [owner, finch, robin]) await host.close();
});

Deno.test("a peer that is not on the list learns nothing: no connection, genesis, blob, peers list or beat", async () => {
  const clock = new ManualClock(), network = new MemoryNetwork();
  const owner = await start(OWNER, { clock, network, rules: listed });
  await clock.runUntil("round 1", () => round(owner) >= 1);
  const stranger = network.join(identity(7).peer);
  let heard = 0;
  stranger.onAnnouncement(() => heard++);
  await assert.rejects(stranger.connect(`/memory/${owner.host.peer}`), /does not admit the other/);
  await assert.rejects(fetchGenesis(stranger, owner.host.peer, { run: rules.run }), /it is not connected/);
  const weights = { digest: owner.host.status().weights!, sizeBytes: 64 };
  const store = new MemoryBlobStore();
  const fetched = await fetchBlob({ transport: stranger, store }, weights, { donors: [owner.host.peer] });
  assert.equal(fetched.ok, false);
  await assert.rejects(stranger.request(owner.host.peer, "peers/1", new Uint8Array()), /it is not connected/);
  const then = chainOf(owner)!.round;
  await clock.runUntil("three rounds pass", () => chainOf(owner)!.round > then + 2);
  assert.equal(heard, 0);
  await owner.host.close();
});

Deno.test("a change that the owner did not sign changes nothing, and its sender is named", async () => {
  const clock = new ManualClock(), network = new MemoryNetwork();
  const owner = await start(OWNER, { clock, network, rules: listed });
  owner.host.change(change(1, 1));
  await clock.runUntil("the list is in a record", () => chainOf(owner)?.members?.body.number === 1);
  const finch = network.join(identity(1).peer);
  await finch.connect(`/memory/${owner.host.peer}`);
  const forged = signChange({ run: rules.run, number: 9, allowed: [identity(7).peer] }, identity(1).sign);
  finch.announce(encodeMessage(forged));
  await clock.runUntil("it is rejected", () => rejections(owner).length > 0);
  assert.match(
    rejections(owner)[0]!,
    new RegExp(`change of members of ${finch.peer}: it is not signed by the run's owner`),
  );
  assert.deepEqual(owner.transport.peers(), [finch.peer]);
  await owner.host.close();
});

/** An offer on the head of a peer, signed by peer `n`, but for what is changed. */
function offerFrom(n: number, chain: ChainState, base: Offer["base"], changes: Partial<Offer> = {}): Signed<Offer> {
  const options = { rules, self: identity(n).peer, name: "liar", device: "cpu", waitMs: 0, transferMs: 0, nextMs: 1 };
  const body = { ...buildOffer({ chain, base }, NO_WORK, { ...options, heldOut: null, leaving: false }), ...changes };
  return { kind: "signed", body, signature: identity(n).sign(bodyDigest(body)) };
}

const work = { blob: { digest: digestOf("blob"), sizeBytes: 36 }, steps: 1 };

Deno.test("a host names what is wrong with an offer, and who sent it, and goes on", async () => {
  const clock = new ManualClock(), network = new MemoryNetwork(), at = { clock, network, rules };
  const wren = await start(OWNER, at);
  await clock.runUntil("round 20", () => round(wren) >= 20);
  const liar = network.join(identity(7).peer);
  await liar.connect(`/memory/${wren.host.peer}`);
  const last = wren.events.findLast((event) => event.kind === "round")!;
  assert.ok(last.kind === "round");
  const chain = chainOf(wren)!, { base } = last, range = (start: number, end: number) => [{ start, end }];
  const original = last.counted.find(({ offer }) => offer.blob !== null)!.offer;
  const forged = offerFrom(7, chain, base);
  const lies: readonly (readonly [Signed<Offer>, RegExp])[] = [
    [{ ...forged, signature: new Uint8Array(64) }, /its signature is not its author's/],
    [
      offerFrom(7, chain, base, { ...work, tokens: 1e12, ranges: range(0, 8) }),
      /claims 1000000000000 tokens of windows/,
    ],
    [
      offerFrom(7, chain, base, { ...work, tokens: 16, ranges: range(1e15, 1e15 + 1) }),
      /windows up to .* were ever leased/,
    ],
    [offerFrom(7, chain, base, { ...work, ranges: range(0, 1e5) }), /not leased to it|were ever leased/],
    [offerFrom(7, chain, base, { ...work, blob: original.blob, ranges: range(0, 1), tokens: 16 }), /it is copied/],
    [offerFrom(7, chain, base, { round: 2 }), /it is stale: it is for round 2/],
    [offerFrom(7, chain, base, { name: "x".repeat(80), tokens: 1 }), /claims 1 tokens of windows that hold 0/],
  ];
  for (const [lie, wanted] of lies) {
    const before = rejections(wren).length;
    liar.announce(encodeMessage(lie));
    await clock.runUntil(`${wanted}`, () => rejections(wren).length > before);
    assert.match(rejections(wren).at(-1)!, wanted);
    assert.ok(rejections(wren).at(-1)!.startsWith(`offer of ${liar.peer}: `));
  }
  const then = chainOf(wren)!.round;
  await clock.runUntil("wren goes on", () => chainOf(wren)!.round > then + 1);
  assert.equal(chainOf(wren)!.ledger.duplicated, 0);
  await wren.host.close();
});

Deno.test("a scribe that signs two records on one parent is named", async () => {
  const clock = new ManualClock(), network = new MemoryNetwork();
  const wren = await start(OWNER, { clock, network, rules });
  await clock.runUntil("round 2", () => round(wren) >= 2);
  const liar = network.join(identity(7).peer), scribe = liar.peer;
  await liar.connect(`/memory/${wren.host.peer}`);
  const chain = chainOf(wren)!, base = digestOf("base");
  for (const name of ["one", "two"]) {
    const counted = [{ offer: digestOf(name), peer: scribe, age: 0 }], attempt = attemptOf(chain, scribe);
    const body = buildRecord({ chain, base }, { rules, counted, scribe, attempt, change: null });
    liar.announce(encodeMessage({ kind: "signed", body, signature: identity(7).sign(bodyDigest(body)) }));
  }
  const told = () => wren.events.find((event) => event.kind === "equivocation");
  await clock.runUntil("it is told", () => told() !== undefined);
  const event = told()!;
  assert.ok(event.kind === "equivocation" && event.peer === scribe && event.records.length === 2);
  await wren.host.close();
});

Deno.test("a host takes a burst of messages from one sender, refuses the flood after it, and hears the others", async () => {
  const clock = new ManualClock(), network = new MemoryNetwork(), at = { clock, network, rules };
  const wren = await start(OWNER, at), finch = await start(1, at);
  await clock.runUntil("both train", () => membersOf(wren).length === 2);
  const flood = network.join(identity(7).peer);
  await connectBoth(flood, wren.transport);
  const message = encodeMessage({ kind: "ask-state", run: rules.run });
  for (let i = 0; i < 3000; i++) flood.announce(message);
  const refused = () => wren.events.filter((event) => event.kind === "message refused" && event.peer === flood.peer);
  await clock.runUntil("the flood is refused", () => refused().length > 0);
  const then = chainOf(wren)!.round;
  await clock.runUntil("wren and finch go on", () => chainOf(wren)!.round > then + 1 && membersOf(wren).length === 2);
  for (const { host } of [wren, finch]) await host.close();
});

Deno.test("offers of many identities are kept as far as there is room beside the members', and the rest is named", async () => {
  const clock = new ManualClock(), network = new MemoryNetwork();
  const wren = await start(OWNER, { clock, network, rules });
  await clock.runUntil("round 1", () => round(wren) >= 1);
  const liar = network.join(identity(7).peer);
  await liar.connect(`/memory/${wren.host.peer}`);
  const chain = chainOf(wren)!;
  for (let n = 10; n < 90; n++) {
    // For another parent, so that no record counts them.
    const offer = offerFrom(n, { ...chain, head: digestOf("elsewhere") }, digestOf("base"), { round: chain.round });
    liar.announce(encodeMessage(offer));
  }
  const full = () => rejections(wren).filter((text) => text.includes("too many of strangers"));
  await clock.runUntil("some are refused", () => full().length > 0);
  await wren.host.close();
});
