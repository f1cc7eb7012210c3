import { decode, encode } from "@ipld/dag-cbor";
import { strict as assert } from "node:assert";
import { connectBoth, eventOf, identity, RUN } from "../../tests/conformance/transport.ts";
import { ManualClock } from "../../tests/manual_clock.ts";
import { digitsOf } from "../sync/cells.ts";
import type { PeerId } from "../sync/types.ts";
import { MemoryNetwork } from "./memory.ts";
import { keepConnected } from "./mesh.ts";
import type { Transport } from "./transport.ts";

const address = (n: number) => `/memory/${identity(n).peer}`;

/** A member with a mesh, whom it dialled, and what it said that it could not reach. */
function member(transport: Transport, clock: ManualClock, addresses: readonly string[]) {
  const unreachable: string[] = [], dialled: string[] = [], connect = transport.connect.bind(transport);
  transport.connect = (address, options) => {
    dialled.push(address);
    return connect(address, options);
  };
  const mesh = keepConnected(transport, {
    run: RUN,
    addresses,
    clock,
    onUnreachable: (_, address, reason) => unreachable.push(`${address}: ${reason}`),
  });
  return { transport, mesh, dialled, unreachable };
}

Deno.test("peers that know one address find each other, and stay together when that peer goes", async () => {
  const clock = new ManualClock(), network = new MemoryNetwork();
  const members = [0, 1, 2, 3].map((n) => member(network.join(identity(n).peer), clock, n === 0 ? [] : [address(0)]));
  const all = (count: number) => () =>
    members.slice(members.length - count).every(({ transport }) => transport.peers().length === count - 1);
  await clock.runUntil("everybody knows everybody", all(4), 100);
  const [first] = members.splice(0, 1);
  await first!.mesh[Symbol.asyncDispose]();
  await first!.transport[Symbol.asyncDispose]();
  await clock.runUntil("the others are still together", all(3), 100);
  for (const { mesh } of members) await mesh[Symbol.asyncDispose]();
});

Deno.test("a peer dials again what it lost, later and later, and tells once why it fails", async () => {
  const clock = new ManualClock(), network = new MemoryNetwork();
  const wren = network.join(identity(0).peer);
  const finch = member(network.join(identity(1).peer), clock, [address(0)]);
  await eventOf(wren, "connected");
  network.cut(wren.peer, finch.transport.peer);
  const first = finch.dialled.length;
  await clock.runUntil("three dials failed", () => finch.dialled.length === first + 3, 100);
  const before = clock.now();
  await clock.runUntil("a fourth failed", () => finch.dialled.length === first + 4, 100);
  assert.ok(clock.now() - before >= 8000, `after ${clock.now() - before} ms`);
  const told = `${address(0)}: Cannot connect to ${address(0)}: no link`;
  assert.deepEqual(finch.unreachable, [told]);
  network.mend(wren.peer, finch.transport.peer);
  await clock.runUntil("they are together again", () => wren.peers().length === 1, 100);
  network.cut(wren.peer, finch.transport.peer);
  await clock.runUntil("the next outage is told", () => finch.unreachable.length > 1, 100);
  assert.deepEqual(finch.unreachable, [told, told]);
  await finch.mesh[Symbol.asyncDispose]();
});

Deno.test("a peer that is let go soon after each connection dials later and later", async () => {
  const clock = new ManualClock(), network = new MemoryNetwork();
  const wren = network.join(identity(0).peer);
  wren.onEvent((event) => {
    if (event.kind === "connected") clock.alarm(clock.now() + 100, () => wren.disconnect(event.peer));
  });
  const finch = member(network.join(identity(1).peer), clock, [address(0)]);
  await clock.runUntil("five minutes are over", () => clock.now() > 300_000, 100);
  assert.ok(finch.dialled.length >= 8 && finch.dialled.length <= 12, `${finch.dialled.length} dials`);
  await finch.mesh[Symbol.asyncDispose]();
});

Deno.test("a peer reaches another through a third when there is no link, and directly again when there is", async () => {
  const clock = new ManualClock(), network = new MemoryNetwork();
  const [wren, finch, robin] = [0, 1, 2].map((n) => network.join(identity(n).peer));
  network.cut(finch!.peer, robin!.peer);
  const members = [wren!, finch!, robin!].map((transport, n) => member(transport, clock, n === 0 ? [] : [address(0)]));
  await clock.runUntil("they are linked", () => finch!.link(robin!.peer) !== null, 100);
  assert.deepEqual(finch!.link(robin!.peer), { kind: "relayed", relay: wren!.peer });
  assert.deepEqual(robin!.link(finch!.peer), { kind: "relayed", relay: wren!.peer });
  network.mend(finch!.peer, robin!.peer);
  await clock.runUntil("the link is direct", () => finch!.link(robin!.peer)?.kind === "direct", 200);
  const before = clock.now();
  network.cut(finch!.peer, robin!.peer);
  await clock.runUntil("they are linked again", () => finch!.link(robin!.peer)?.kind === "relayed", 100);
  assert.ok(clock.now() - before < 10_000, `after ${clock.now() - before} ms`);
  for (const { mesh } of members) await mesh[Symbol.asyncDispose]();
});

/** Addresses of these peers never answer this one: dials there end when they are given up. Tells when each ended. */
function neverAnswered(transport: Transport, clock: ManualClock, peers: readonly PeerId[]) {
  const givenUpAfterMs: number[] = [], connect = transport.connect.bind(transport);
  transport.connect = (address, options) => {
    if (!peers.some((peer) => address === `/memory/${peer}`)) return connect(address, options);
    const sinceMs = clock.now(), { promise, reject } = Promise.withResolvers<PeerId>();
    options?.signal?.addEventListener("abort", () => {
      givenUpAfterMs.push(clock.now() - sinceMs);
      reject(new Error(`Cannot connect to ${address}: it was aborted`));
    });
    return promise;
  };
  return givenUpAfterMs;
}

Deno.test("an address that never answers is given up after 4 s where there is another way, which is taken", async () => {
  const clock = new ManualClock(), network = new MemoryNetwork();
  const [wren, finch, robin] = [0, 1, 2].map((n) => network.join(identity(n).peer));
  const givenUp = [[finch!, robin!], [robin!, finch!]].map(([from, to]) => neverAnswered(from!, clock, [to!.peer]));
  const members = [member(wren!, clock, []), member(finch!, clock, [address(0)])];
  const later = clock.now() + 10_000;
  await clock.runUntil("wren knows where finch says that it is", () => clock.now() > later, 100);
  members.push(member(robin!, clock, [address(0)]));
  const before = clock.now();
  await clock.runUntil("they are linked", () => finch!.link(robin!.peer) !== null, 100);
  assert.deepEqual(finch!.link(robin!.peer), { kind: "relayed", relay: wren!.peer });
  const waitedMs = givenUp.flat();
  assert.ok(waitedMs.length > 0 && waitedMs.every((ms) => ms >= 4_000 && ms <= 4_100), `waited ${waitedMs} ms`);
  assert.ok(clock.now() - before <= 10_000, `after ${clock.now() - before} ms`);
  for (const { mesh } of members) await mesh[Symbol.asyncDispose]();
});

Deno.test("addresses that never answer hold up nobody else, and nothing is dialled any more when a peer ends", async () => {
  const clock = new ManualClock(), network = new MemoryNetwork();
  const wren = network.join(identity(0).peer), transport = network.join(identity(1).peer);
  const mute = [2, 3, 4].map((n) => identity(n).peer), givenUp = neverAnswered(transport, clock, mute);
  const finch = member(transport, clock, [address(2), address(3), address(4), address(0)]);
  await clock.runUntil("it is connected to whoever answers", () => wren.peers().length === 1, 100);
  await clock.runUntil("a minute is over", () => clock.now() > 60_000, 100);
  assert.deepEqual(transport.peers(), [wren.peer]);
  assert.deepEqual(givenUp, [], "where there is no other way, how long to wait is the transport's affair");
  await finch.mesh[Symbol.asyncDispose]();
  assert.equal(givenUp.length, 3);
  assert.equal(clock.alarmCount, 0);
});

Deno.test("a ticket's address through a third peer leads to both, where there is no other way", async () => {
  const clock = new ManualClock(), network = new MemoryNetwork();
  const [wren, finch, robin] = [0, 1, 2].map((n) => network.join(identity(n).peer));
  network.cut(finch!.peer, robin!.peer);
  await finch!.connect(address(0));
  const through = `${address(0)}/p2p/${wren!.peer}/p2p-circuit/p2p/${finch!.peer}`;
  const joiner = member(robin!, clock, [address(1), through]);
  await clock.runUntil("they are linked", () => robin!.peers().length === 2, 100);
  assert.deepEqual(robin!.link(finch!.peer), { kind: "relayed", relay: wren!.peer });
  assert.deepEqual(robin!.link(wren!.peer), { kind: "direct" });
  await joiner.mesh[Symbol.asyncDispose]();
});

Deno.test("a peer passes on what others say of themselves, not the way to them that it was given, and of guests nothing", async () => {
  const clock = new ManualClock(), network = new MemoryNetwork();
  const shy = network.join(identity(1).peer), open = network.join(identity(2).peer);
  shy.onRequest("peers/1", () => Promise.resolve(encode([[]]))); // it cannot be dialled by everybody
  open.onRequest("peers/1", () => Promise.resolve(encode([[address(2)], [address(3)]])));
  const wren = member(network.join(identity(0).peer), clock, [address(1), address(2)]);
  const finch = network.join(identity(4).peer);
  await clock.runUntil("all have met", () => wren.transport.peers().length === 2, 100);
  for (const peer of [shy, open]) await peer.request(wren.transport.peer, "peers/1", encode([]));
  const guest = network.join(identity(6).peer); // it asks, but tells nothing of itself
  for (const peer of [guest, finch]) await peer.connect(address(0));
  await guest.request(wren.transport.peer, "peers/1", new Uint8Array());
  const told = async () => decode(await finch.request(wren.transport.peer, "peers/1", new Uint8Array()));
  let list = await told();
  for (let asked = 1; asked < 100 && !JSON.stringify(list).includes(address(2)); asked++) list = await told();
  const shyByName = [`/p2p/${shy.peer}`]; // so that others may look for it through wren
  assert.deepEqual(new Set(list as string[][]), new Set([[address(0)], [address(2)], shyByName]));
  await wren.mesh[Symbol.asyncDispose]();
});

Deno.test("a peer takes no harm from addresses that are lies, and forgets them", async () => {
  const clock = new ManualClock(), network = new MemoryNetwork();
  const liar = network.join(identity(5).peer);
  const lists = [
    encode([[address(8)], [address(9), "rubbish"]]),
    encode([[1, 2], "x"]),
    encode([[`\u001b[2J${address(7)}`]]),
    new Uint8Array([255]),
    encode(Array.from({ length: 129 }, () => [address(9)])),
  ];
  liar.onRequest("peers/1", () => Promise.resolve(lists.pop() ?? encode([])));
  const finch = member(network.join(identity(1).peer), clock, []);
  await connectBoth(finch.transport, liar);
  // Two names of nobody, six dials each and as many through the liar, besides the one that `connectBoth` made. What ends
  // in no peer's id is not dialled: nobody could say whether it was reached.
  await clock.runUntil("all were given up", () => finch.dialled.length >= 25, 200);
  const given = finch.dialled.length;
  const later = clock.now() + 300_000;
  await clock.runUntil("much later", () => clock.now() > later, 1000);
  assert.equal(finch.dialled.length, given);
  assert.equal(finch.unreachable.length, 2, "each of them is told once");
  await finch.mesh[Symbol.asyncDispose]();
});

/** Which of these a peer of a cell is not connected to as it should be: all of its cell, two beyond each edge. */
function lacks(transport: Transport, everybody: readonly PeerId[], depth: number): string[] {
  const digits = digitsOf({ run: RUN }, transport.peer), connected = new Set(transport.peers());
  const namesOf = (start: string) =>
    everybody.filter((peer) => peer !== transport.peer && digitsOf({ run: RUN }, peer).startsWith(start));
  const mates = namesOf(digits.slice(0, depth)).filter((peer) => !connected.has(peer));
  const edges = Array.from({ length: depth }, (_, i) => digits.slice(0, i) + (digits[i] === "0" ? "1" : "0"));
  const thin = edges.filter((edge) => namesOf(edge).filter((peer) => connected.has(peer)).length < 2);
  return [...mates, ...thin];
}

Deno.test("in a large run everybody comes to know all of its cell and some beyond each edge, and a newcomer soon, too", async () => {
  const clock = new ManualClock(), network = new MemoryNetwork(), depth = 2, count = 90;
  const join = (n: number, knows: readonly string[]) => {
    const joined = member(network.join(identity(n).peer), clock, knows);
    joined.mesh.enter(digitsOf({ run: RUN }, identity(n).peer).slice(0, depth));
    return joined;
  };
  const members = Array.from({ length: count }, (_, n) => join(n, n === 0 ? [] : [address(0)]));
  const everybody = members.map(({ transport }) => transport.peer);
  const arrived = (one: (typeof members)[number]) => lacks(one.transport, everybody, depth).length === 0;
  await clock.runUntil("all are connected as they should be", () => members.every(arrived), 500);
  const later = clock.now() + 60_000;
  await clock.runUntil("they let go of those who are too many", () => clock.now() > later, 500);
  for (const { transport } of members) {
    assert.deepEqual(lacks(transport, everybody, depth), []);
    assert.ok(transport.peers().length <= 64 + 8, `${transport.peers().length} connections`); // dials under way came on top
  }

  // It knows one peer, in the other half of the run.
  const half = digitsOf({ run: RUN }, identity(count).peer)[0];
  const far = everybody.findIndex((peer) => digitsOf({ run: RUN }, peer)[0] !== half);
  const newcomer = join(count, [address(far)]), before = clock.now();
  await clock.runUntil("the newcomer is as well", () => arrived(newcomer), 100);
  assert.ok(clock.now() - before < 30_000, `after ${clock.now() - before} ms`);
  for (const { mesh } of [...members, newcomer]) await mesh[Symbol.asyncDispose]();
});
