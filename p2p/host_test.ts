/**
 * Hosts that train together: how they meet, share their work and part. Restarts are in `host_restart_test.ts`, strangers
 * and liars in `guard_test.ts`.
 */
import type { Stream } from "@libp2p/interface";
import { multiaddr } from "@multiformats/multiaddr";
import { strict as assert } from "node:assert";
import { connectBoth, identity } from "../tests/conformance/transport.ts";
import { digestsInOrder, QuietClock } from "../tests/driven/quiet_clock.ts";
import { ManualClock } from "../tests/manual_clock.ts";
import { openStubLearner, type StubLearner } from "../tests/stub_learner.ts";
import { agree, contextLength, roundOf, rules, startStubPeer } from "../tests/stub_peer.ts";
import type { Clock } from "./clock.ts";
import type { HostOptions } from "./host.ts";
import type { HostEnd, HostEvent } from "./host_event.ts";
import { startLibp2p } from "./net/libp2p.ts";
import { Gate } from "./net/libp2p_gater.ts";
import { startNode } from "./net/libp2p_node.ts";
import { MemoryNetwork } from "./net/memory.ts";
import type { Transport } from "./net/transport.ts";
import { CHUNK_BYTES } from "./store/blob_store.ts";
import { MemoryBlobStore } from "./store/memory.ts";

Deno.test("three hosts train together, one dies and comes back from its disk, one joins late, all to one digest", async () => {
  const clock = new ManualClock(), network = new MemoryNetwork();
  const join = (n: number) => network.join(identity(n).peer);
  const addresses = [`/memory/${identity(0).peer}`];
  const wren = await startStubPeer(0, join(0), { clock });
  const transport = join(1);
  const finch = await startStubPeer(1, transport, { clock, addresses });
  const robin = await startStubPeer(2, join(2), { clock, addresses });
  await clock.runUntil("three peers agree on round 3", () => agree([wren, finch, robin], 3));
  assert.deepEqual(wren.transport.peers().length, 2, "finch and robin");
  assert.deepEqual(robin.transport.peers().length, 2, "the mesh lets robin find finch through wren");

  await finch.host.close();
  await transport[Symbol.asyncDispose]();
  const diedAt = roundOf(finch);
  await clock.runUntil("the others go on", () => roundOf(wren) >= diedAt + 2);

  const again = await startStubPeer(1, join(1), { clock, addresses, store: finch.store, journal: finch.journal });
  const late = await startStubPeer(3, join(3), { clock, addresses });
  await clock.runUntil("the one that came back has its own state", () => roundOf(again) >= diedAt);
  const all = [wren, robin, again, late];
  await clock.runUntil("all four agree on a round that counted them all", () => {
    const last = wren.events.findLast((event) => event.kind === "round");
    return last?.kind === "round" && last.counted.filter(({ offer }) => offer.tokens > 0).length === 4 &&
      agree(all, last.round);
  });
  for (const peer of all) assert.deepEqual(peer.events.filter(({ kind }) => kind === "mismatch"), []);
  assert.ok(wren.learner.settled.some((line) => line.endsWith(" counted")));
  for (const { host } of all) assert.equal((await host.close()).kind, "closed");
});

/** A learner whose contributions are so long that they are fetched in several chunks. */
function longWindedLearner(n: number): StubLearner {
  return openStubLearner({ contextLength, pull: 0.1 + n / 100, parameterWords: 6 * CHUNK_BYTES / 4 });
}

Deno.test("hosts ask for a contribution only where it is, and drop nobody", async () => {
  const clock = new ManualClock(), network = new MemoryNetwork();
  const refused: string[] = [];
  const join = (n: number): Transport => {
    const transport = network.join(identity(n).peer), request = transport.request.bind(transport);
    transport.request = (to, name, ...rest) =>
      request(to, name, ...rest).catch((error: Error) => {
        if (name.startsWith("blobs/")) refused.push(error.message);
        throw error;
      });
    return transport;
  };
  const addresses = [`/memory/${identity(0).peer}`];
  const peers = [await startStubPeer(0, join(0), { clock, learner: longWindedLearner(0) })];
  for (const n of [1, 2]) {
    peers.push(await startStubPeer(n, join(n), { clock, addresses, learner: longWindedLearner(n) }));
  }
  await clock.runUntil("all three are counted in some rounds", () => agree(peers, 5));
  assert.deepEqual(refused, []);
  for (const { events } of peers) assert.deepEqual(events.filter(({ kind }) => kind === "donor dropped"), []);
  for (const { host } of peers) await host.close();
});

Deno.test("a host whose learner cannot judge ends with that, and names nobody else for it", async () => {
  const clock = new ManualClock(), network = new MemoryNetwork();
  const wren = await startStubPeer(0, network.join(identity(0).peer), { clock });
  const learner: StubLearner = {
    ...openStubLearner({ contextLength }),
    judge: () => Promise.reject(new Error("A thread of this peer has stopped")),
  };
  const addresses = [`/memory/${identity(0).peer}`];
  const finch = await startStubPeer(1, network.join(identity(1).peer), { clock, addresses, learner });
  let end: HostEnd | null = null;
  finch.host.ended.then((ended) => end = ended);
  await clock.runUntil("it ends", () => end !== null);
  assert.deepEqual(end, { kind: "failed", error: new Error("A thread of this peer has stopped") });
  assert.deepEqual(finch.events.filter(({ kind }) => kind === "rejected"), []);
  await wren.host.close();
});

Deno.test("a host fetches no contribution that is larger than the run's weights, and says why", async () => {
  const clock = new ManualClock(), network = new MemoryNetwork();
  const join = (n: number) => network.join(identity(n).peer);
  const wren = await startStubPeer(0, join(0), { clock });
  const honest = openStubLearner({ contextLength }), asked: string[] = [];
  const transport = join(1), serve = transport.onRequest.bind(transport);
  transport.onRequest = (name, handler) =>
    serve(name, (from, request) => {
      asked.push(name);
      return handler(from, request);
    });
  const finch = await startStubPeer(1, transport, {
    clock,
    addresses: [`/memory/${wren.host.peer}`],
    learner: {
      ...honest,
      async contribute() {
        const contribution = await honest.contribute();
        return { ...contribution, bytes: contribution.bytes && new Uint8Array(10_000) };
      },
    },
  });
  const rejected = () => wren.events.find((event) => event.kind === "rejected");
  await clock.runUntil("finch's offer was rejected", () => rejected() !== undefined);
  assert.deepEqual(rejected(), {
    kind: "rejected",
    what: "offer",
    peer: finch.host.peer,
    reason: "its contribution has 10032 bytes, the weights of this run have 48",
  });
  assert.ok(!asked.some((name) => name.startsWith("blobs/")), `asked for ${asked}`);
  for (const { host } of [wren, finch]) await host.close();
});

Deno.test("a host that leaves says so, ends, and the others go on without it", async () => {
  const clock = new ManualClock(), network = new MemoryNetwork();
  const wren = await startStubPeer(0, network.join(identity(0).peer), { clock });
  const finch = await startStubPeer(1, network.join(identity(1).peer), {
    clock,
    addresses: [`/memory/${identity(0).peer}`],
  });
  await clock.runUntil("both are at round 2", () => agree([wren, finch], 2));
  const left = finch.host.leave();
  let end: string | null = null;
  left.then(({ kind }) => end = kind);
  await clock.runUntil("finch has left", () => end !== null);
  assert.equal(end, "stopped");
  const isTold = (event: HostEvent) =>
    event.kind === "left" && event.peer === finch.host.peer && event.name === "peer 1";
  await clock.runUntil("wren is told", () => wren.events.some(isTold));
  const then = roundOf(wren);
  await clock.runUntil("wren goes on", () => roundOf(wren) >= then + 3);
  await wren.host.close();
});

/** Another's clock, ahead of it by `leapMs`: that of a machine which slept. Alarms ring by the time that was passing. */
class LeapingClock implements Clock {
  readonly #clock: Clock;
  leapMs = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  now(): number {
    return this.#clock.now() + this.leapMs;
  }

  alarm(atMs: number, act: () => void): Disposable {
    return this.#clock.alarm(atMs - this.leapMs, act);
  }
}

Deno.test("rounds go on and lose no offer when the clock of a peer leaps forward by hours", async () => {
  // With a clock that waits for whoever is at work, nobody is late because the machine is busy.
  using _ = digestsInOrder();
  const clock = new QuietClock(), leaping = new LeapingClock(clock), network = new MemoryNetwork();
  const start = (n: number, options: Partial<HostOptions> & Pick<HostOptions, "clock">) =>
    startStubPeer(n, clock.watch(network.join(identity(n).peer)), {
      store: clock.watch(new MemoryBlobStore()),
      learner: clock.watch(openStubLearner({ contextLength, pull: 0.1 + n / 100 })),
      ...options,
    });
  const wren = await start(0, { clock });
  const finch = await start(1, { clock: leaping, addresses: [`/memory/${identity(0).peer}`] });
  const agreeOn = (at: number) =>
    clock.runUntil(`both agree on round ${at}`, () => agree([wren, finch], at), 24 * 3_600_000);
  await agreeOn(2);
  for (const hours of [1, 5]) {
    leaping.leapMs = hours * 3_600_000;
    await agreeOn(roundOf(wren) + 3);
    const last = wren.events.findLast((event) => event.kind === "round");
    assert.equal(last?.counted.filter(({ offer }) => offer.tokens > 0).length, 2, "both contribute");
  }
  for (const { events } of [wren, finch]) {
    const fates = events.flatMap((event) => event.kind === "fate" && event.tokens > 0 ? [event.fate] : []);
    assert.deepEqual([...new Set(fates)], ["counted"]); // the first offer, without work, only asks to join
    // Who is next in rank may take the leap for a scribe's silence, and write too: a fork of one record, soon settled.
    const isDeep = (event: HostEvent) => event.kind === "reorganised" && event.depth !== 1;
    assert.deepEqual(events.filter((event) => event.kind === "mismatch" || isDeep(event)), []);
  }
  for (const { host } of [wren, finch]) await host.close();
});

Deno.test("a host that leaves dials nobody and says of nobody that it cannot be reached", async () => {
  const clock = new ManualClock(), network = new MemoryNetwork(), transport = network.join(identity(0).peer);
  const wren = await startStubPeer(0, transport, { clock });
  const finch = await startStubPeer(1, network.join(identity(1).peer), {
    clock,
    addresses: [`/memory/${identity(0).peer}`],
  });
  await clock.runUntil("both are at round 2", () => agree([wren, finch], 2));
  const left = finch.host.leave();
  let isOver = false;
  left.then(() => isOver = true);
  await wren.host.close();
  await transport[Symbol.asyncDispose]();
  await clock.runUntil("finch has left", () => isOver);
  assert.deepEqual(finch.events.filter(({ kind }) => kind === "unreachable"), []);
});

/** Lets the weights of an order go before it comes, as many loads in between would. */
function forgetfulLearner(n: number): StubLearner {
  const learner = openStubLearner({ contextLength, pull: 0.1 + n / 100 });
  let loaded = "";
  return {
    ...learner,
    load: async (weights) => loaded = await learner.load(weights),
    train(order) {
      if (order.weights !== loaded) throw new Error(`Cannot use weights ${order.weights}: they are not held`);
      learner.train(order);
    },
  };
}

Deno.test("a host gives its learner back the weights that it has let go", async () => {
  const clock = new ManualClock(), network = new MemoryNetwork(), addresses = [`/memory/${identity(0).peer}`];
  const join = (n: number) => network.join(identity(n).peer);
  const wren = await startStubPeer(0, join(0), { clock, learner: forgetfulLearner(0) });
  const finch = await startStubPeer(1, join(1), { clock, addresses, learner: forgetfulLearner(1) });
  await clock.runUntil("both agree on round 4", () => agree([wren, finch], 4));
  for (const { host } of [wren, finch]) assert.equal((await host.close()).kind, "closed");
});

Deno.test("two hosts train together through libp2p on this machine", async () => {
  const clock = new ManualClock();
  await using stack = new AsyncDisposableStack();
  const transports = [];
  for (let n = 0; n < 2; n++) {
    const listen = ["/ip4/127.0.0.1/tcp/0"];
    const networkKey = new Uint8Array(32).fill(3);
    transports.push(stack.use(await startLibp2p({ identity: identity(n), run: rules.run, listen, networkKey })));
  }
  await connectBoth(transports[1]!, transports[0]!);
  const wren = await startStubPeer(0, transports[0]!, { clock });
  const finch = await startStubPeer(1, transports[1]!, { clock });
  await clock.runUntil("both agree on a round that counted both", () => {
    const last = wren.events.findLast((event) => event.kind === "round");
    return last?.kind === "round" && last.counted.filter(({ offer }) => offer.tokens > 0).length === 2 &&
      agree([wren, finch], last.round);
  });
  await Promise.all([wren.host.close(), finch.host.close()]);
});

Deno.test("hosts keep their rounds while a peer holds open all requests that it can begin, and never sends one", async () => {
  const clock = new ManualClock(), run = rules.run, listen = ["/ip4/127.0.0.1/tcp/0"], networkKey = null;
  await using stack = new AsyncDisposableStack();
  const start = async (n: number) =>
    stack.use(await startLibp2p({ identity: identity(n), run, listen, networkKey, clock }));
  const transports = [await start(0), await start(1)];
  await connectBoth(transports[1]!, transports[0]!);
  const { node } = await startNode({ identity: identity(2), run, listen: [], networkKey }, new Gate());
  stack.defer(() => node.stop());
  const [wren, finch] = [
    await startStubPeer(0, transports[0]!, { clock }),
    await startStubPeer(1, transports[1]!, { clock }),
  ];

  const names = ["blobs/2", "sync/1", "peers/1", "genesis/1"], streams: Stream[] = [];
  for (const transport of transports) {
    const connection = await node.dial(multiaddr(transport.addresses()[0]!));
    for (const name of names.flatMap((name) => Array.from({ length: 64 }, () => name))) {
      streams.push(await connection.newStream(`/starling/${name}`, { maxOutboundStreams: 64 }));
    }
  }
  const heldFrom = roundOf(wren);
  await clock.runUntil("both agree on a later round", () => agree([wren, finch], heldFrom + 3));
  await clock.runUntil("all are reset", () => streams.every(({ status }) => status === "reset"));
  for (const { host } of [wren, finch]) assert.equal((await host.close()).kind, "closed");
});
