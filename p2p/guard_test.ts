/**
 * What a host does with those who may not take part, and with those who lie: seen from outside, over the memory network.
 */
import { strict as assert } from "node:assert";
import { connectBoth, identity } from "../tests/conformance/transport.ts";
import { ManualClock } from "../tests/manual_clock.ts";
import { refusalsOf, roundOf, rules, startStubPeer, type StubPeer } from "../tests/stub_peer.ts";
import { fetchGenesis } from "./genesis.ts";
import { fetchBlob } from "./net/blobs.ts";
import { MemoryNetwork } from "./net/memory.ts";
import { LARGEST_MESSAGE_BYTES } from "./net/transport.ts";
import { MemoryBlobStore } from "./store/memory.ts";
import { bodyDigest, digestOf } from "./sync/digest.ts";
import { signChange } from "./sync/members.ts";
import { buildOffer, NO_WORK } from "./sync/offer.ts";
import { buildRecord } from "./sync/record.ts";
import { attemptOf } from "./sync/scribe.ts";
import type { ChainState, Digest, Offer, Signed, SyncRules } from "./sync/types.ts";
import { encodeMessage } from "./wire.ts";

const OWNER = 0;
const listed: SyncRules = { ...rules, owner: identity(OWNER).peer };

type Peer = Pick<StubPeer, "host" | "events" | "transport">;

function start(n: number, at: { clock: ManualClock; network: MemoryNetwork; rules: SyncRules }): Promise<Peer> {
  const addresses = n === OWNER ? [] : [`/memory/${identity(OWNER).peer}`];
  return startStubPeer(n, at.network.join(identity(n).peer), { ...at, addresses });
}

function chainOf({ host }: Peer): ChainState | null {
  return host.status().chain;
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
  await clock.runUntil("the owner trains alone", () => roundOf(owner) >= 2);
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
  await clock.runUntil("round 1", () => roundOf(owner) >= 1);
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
  await clock.runUntil("round 20", () => roundOf(wren) >= 20);
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
    [offerFrom(7, chain, base, { name: "x".repeat(80), tokens: 1 }), /claims 1 tokens of windows that hold 0/],
  ];
  for (const [lie, wanted] of lies) {
    const before = rejections(wren).length;
    liar.announce(encodeMessage(lie));
    await clock.runUntil(`${wanted}`, () => rejections(wren).length > before);
    assert.match(rejections(wren).at(-1)!, wanted);
    assert.ok(rejections(wren).at(-1)!.startsWith(`offer of ${liar.peer}: `));
  }
  const before = rejections(wren).length;
  const passedOver = () => wren.events.flatMap((event) => event.kind === "passed over" ? [event] : []);
  liar.announce(encodeMessage(offerFrom(7, chain, base, { round: 2, parent: digestOf("a record long ago") })));
  await clock.runUntil("it is passed over", () => passedOver().length > 0);
  assert.match(passedOver()[0]!.reason, /it is stale: it is for round 2, too long ago to matter/);
  assert.equal(rejections(wren).length, before, "whoever was cut off may have made it");
  const then = chainOf(wren)!.round;
  await clock.runUntil("wren goes on", () => chainOf(wren)!.round > then + 1);
  assert.equal(chainOf(wren)!.ledger.duplicated, 0);
  await wren.host.close();
});

Deno.test("a scribe that signs two records on one parent is named", async () => {
  const clock = new ManualClock(), network = new MemoryNetwork();
  const wren = await start(OWNER, { clock, network, rules });
  await clock.runUntil("round 2", () => roundOf(wren) >= 2);
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

Deno.test("a host survives garbage, foreign and forged messages, and names their senders", async () => {
  const clock = new ManualClock(), network = new MemoryNetwork();
  const wren = await start(OWNER, { clock, network, rules });
  const stranger = network.join(identity(7).peer);
  await stranger.connect(`/memory/${identity(0).peer}`);
  const beat = {
    kind: "beat",
    run: rules.run,
    peer: identity(3).peer,
    head: rules.run,
    base: rules.run,
    round: 9,
    weight: 1e12,
    change: 0,
    cell: "",
  } as const;
  const frames = [
    new Uint8Array(),
    new Uint8Array(60_000).fill(0x81),
    encodeMessage({ ...beat, run: "00".repeat(32) as Digest }),
    encodeMessage(beat),
  ];
  for (const frame of frames) {
    const before = refusalsOf(wren).length;
    stranger.announce(frame);
    await clock.runUntil("it was refused", () => refusalsOf(wren).length > before);
    clock.advance(1000);
    await stranger.request(wren.host.peer, "sync/1", frame);
    await clock.runUntil("it was refused again", () => refusalsOf(wren).length > before + 1);
    clock.advance(1000);
  }
  const reasons = refusalsOf(wren);
  assert.match(reasons[0]!, /has version none/);
  assert.match(reasons.at(-3)!, /is of another run/);
  assert.match(reasons.at(-1)!, /it is the beat of another peer/);
  const then = roundOf(wren);
  await clock.runUntil("wren goes on", () => roundOf(wren) > then);
  await wren.host.close();
});

Deno.test("a host hears no more of one sender than its bucket of messages holds, nor more bytes than that of bytes", async () => {
  const clock = new ManualClock(), network = new MemoryNetwork();
  const wren = await start(OWNER, { clock, network, rules }), refusals = () => refusalsOf(wren);
  const sender = async (n: number) => {
    const transport = network.join(identity(n).peer);
    await transport.connect(`/memory/${wren.host.peer}`);
    return (bytes: Uint8Array) => transport.request(wren.host.peer, "sync/1", bytes);
  };
  // Each is handled before the next, and the clock stands: nothing but the bucket can refuse them.
  const talks = await sender(7), message = encodeMessage({ kind: "ask-state", run: rules.run });
  for (let i = 0; i < 400; i++) await talks(message);
  assert.deepEqual(refusals(), []);
  await talks(message);
  assert.deepEqual(refusals(), ["it sends too much"]);
  await (await sender(8))(message);
  clock.advance(1000);
  for (let i = 0; i < 100; i++) await talks(message);
  assert.deepEqual(refusals(), ["it sends too much"], "others are heard, and it too when the bucket has filled");

  // What was told last is a second old when the bucket holds less than one of these.
  const shouts = await sender(9), garbage = new Uint8Array(LARGEST_MESSAGE_BYTES);
  const shout = async (count: number, waitMs: number) => {
    for (let i = 0; i < count; i++) await shouts(garbage);
    clock.advance(waitMs);
  };
  await shout(16, 999);
  await shout(4, 1);
  await shout(1, 0);
  assert.match(refusals()[1]!, /has version 0/);
  assert.deepEqual(refusals().slice(2), ["it sends too much"]);
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

Deno.test("a flood under ever new names, passed on by one peer, is heard as one sender's, and blamed on nobody", async () => {
  const clock = new ManualClock(), network = new MemoryNetwork();
  const wren = await start(OWNER, { clock, network, rules });
  await clock.runUntil("round 2", () => roundOf(wren) >= 2);
  const relay = network.join(identity(7).peer);
  await relay.connect(`/memory/${wren.host.peer}`);
  const garbage = new Uint8Array(100), crowd = 60;
  for (let n = 0; n < crowd; n++) {
    const one = network.join(identity(10 + n).peer);
    await one.connect(`/memory/${relay.peer}`);
    for (let i = 0; i < 10; i++) one.announce(garbage);
  }
  await relay.request(wren.host.peer, "sync/1", encodeMessage({ kind: "ask-state", run: rules.run })); // comes last
  // Whoever was heard is told once; of 600 messages the bucket holds 400.
  assert.equal(refusalsOf(wren).length, crowd * 2 / 3);
  assert.ok(refusalsOf(wren).every((reason) => /has version 0/.test(reason)));
  await wren.host.close();
});

Deno.test("a crowd of identities that come at once crowds no member out, and is blamed for nothing", async () => {
  const clock = new ManualClock(), network = new MemoryNetwork();
  const at = { clock, network, rules: { ...rules, cellSize: 256 } }; // else they would part into cells
  const wren = await start(OWNER, at), finch = await start(1, at);
  await clock.runUntil("both train", () => membersOf(wren).length === 2);
  const liar = network.join(identity(7).peer);
  await liar.connect(`/memory/${wren.host.peer}`);
  const chain = chainOf(wren)!;
  for (let n = 10; n < 90; n++) {
    const offer = offerFrom(n, { ...chain, head: digestOf("elsewhere") }, digestOf("base"), { round: chain.round });
    liar.announce(encodeMessage(offer));
  }
  const then = chain.round;
  await clock.runUntil("both go on", () => chainOf(wren)!.round > then + 3);
  for (const { host } of [wren, finch]) assert.ok(membersOf(wren).includes(host.peer));
  assert.deepEqual(rejections(wren), []);
  for (const { host } of [wren, finch]) await host.close();
});
