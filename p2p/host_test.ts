import { strict as assert } from "node:assert";
import { connectBoth, identity } from "../tests/conformance/transport.ts";
import { ManualClock } from "../tests/manual_clock.ts";
import { openStubLearner, type StubLearner } from "../tests/stub_learner.ts";
import { runIdOf } from "./genesis.ts";
import { type Host, type HostOptions, startHost } from "./host.ts";
import type { HostEvent } from "./host_event.ts";
import { startLibp2p } from "./net/libp2p.ts";
import { MemoryNetwork } from "./net/memory.ts";
import type { Transport } from "./net/transport.ts";
import { type BlobStore, CHUNK_BYTES } from "./store/blob_store.ts";
import { blobDigest } from "./store/chunks.ts";
import { openDiskBlobStore } from "./store/disk.ts";
import { openDiskJournal } from "./store/disk_journal.ts";
import { type Journal, MemoryJournal } from "./store/journal.ts";
import { MemoryBlobStore } from "./store/memory.ts";
import type { Digest } from "./sync/types.ts";
import { encodeMessage } from "./wire.ts";
import { tinyRules } from "../tests/tiny_rules.ts";

const genesis = new TextEncoder().encode(`{"name":"club"}`);
const shard = await blobDigest(new Uint8Array(20));
const contextLength = 16;
const rules = tinyRules({
  run: await runIdOf(genesis),
  firstRoundMs: 2000,
  leastRoundMs: 1000,
  longestRoundMs: 10_000,
  batch: 8,
  contextLength,
});

/** What a peer's disk and memory hold, so that it can be started again. */
interface Peer {
  readonly host: Host;
  readonly events: HostEvent[];
  readonly store: BlobStore;
  readonly journal: Journal;
  readonly learner: StubLearner;
  readonly transport: Transport;
}

async function start(
  n: number,
  transport: Transport,
  options: Partial<HostOptions> & Pick<HostOptions, "clock">,
): Promise<Peer> {
  const events: HostEvent[] = [], store = new MemoryBlobStore(), journal = new MemoryJournal();
  const learner = openStubLearner({ contextLength, pull: 0.1 + n / 100 });
  const all: HostOptions = {
    identity: identity(n),
    rules,
    genesis,
    runBlobs: [shard],
    found: n === 0,
    addresses: [],
    name: `peer ${n}`,
    device: "stub",
    transport,
    store,
    journal,
    learner,
    onEvent: (event) => events.push(event),
    ...options,
  };
  const host = await startHost(all);
  return { host, events, learner, transport, store: all.store, journal: all.journal };
}

/** State digests by round, as a peer has told them; the last word holds. */
function bases({ events }: Peer): Map<number, Digest> {
  const found = new Map<number, Digest>();
  for (const event of events) if (event.kind === "round") found.set(event.round, event.base);
  return found;
}

function round({ host }: Peer): number {
  return host.status().chain?.round ?? -1;
}

/** Why messages to this peer were refused, in order. */
function refusals({ events }: Peer): string[] {
  return events.flatMap((event) => event.kind === "message refused" ? [event.reason] : []);
}

/** Whether all have told the same state for this round. */
function agree(peers: readonly Peer[], at: number): boolean {
  const [first, ...others] = peers.map((peer) => bases(peer).get(at));
  return first !== undefined && others.every((base) => base === first);
}

Deno.test("three hosts train together, one dies and comes back from its disk, one joins late, all to one digest", async () => {
  const clock = new ManualClock(), network = new MemoryNetwork();
  const join = (n: number) => network.join(identity(n).peer);
  const addresses = [`/memory/${identity(0).peer}`];
  const wren = await start(0, join(0), { clock });
  const transport = join(1);
  const finch = await start(1, transport, { clock, addresses });
  const robin = await start(2, join(2), { clock, addresses });
  await clock.runUntil("three peers agree on round 3", () => agree([wren, finch, robin], 3));
  assert.deepEqual(wren.transport.peers().length, 2, "finch and robin");
  assert.deepEqual(robin.transport.peers().length, 2, "the mesh lets robin find finch through wren");

  await finch.host.close();
  await transport[Symbol.asyncDispose]();
  const diedAt = round(finch);
  await clock.runUntil("the others go on", () => round(wren) >= diedAt + 2);

  const again = await start(1, join(1), { clock, addresses, store: finch.store, journal: finch.journal });
  const late = await start(3, join(3), { clock, addresses });
  await clock.runUntil("the one that came back has its own state", () => round(again) >= diedAt);
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
  const peers = [await start(0, join(0), { clock, learner: longWindedLearner(0) })];
  for (const n of [1, 2]) peers.push(await start(n, join(n), { clock, addresses, learner: longWindedLearner(n) }));
  await clock.runUntil("all three are counted in some rounds", () => agree(peers, 5));
  assert.deepEqual(refused, []);
  for (const { events } of peers) assert.deepEqual(events.filter(({ kind }) => kind === "donor dropped"), []);
  for (const { host } of peers) await host.close();
});

Deno.test("a host fetches no contribution that is larger than the run's weights, and says why", async () => {
  const clock = new ManualClock(), network = new MemoryNetwork();
  const join = (n: number) => network.join(identity(n).peer);
  const wren = await start(0, join(0), { clock });
  const honest = openStubLearner({ contextLength }), asked: string[] = [];
  const transport = join(1), serve = transport.onRequest.bind(transport);
  transport.onRequest = (name, handler) =>
    serve(name, (from, request) => {
      asked.push(name);
      return handler(from, request);
    });
  const finch = await start(1, transport, {
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

Deno.test("a host alone goes on after it was closed at any moment, at the state it had", async () => {
  const clock = new ManualClock();
  const network = new MemoryNetwork();
  let peer = await start(0, network.join(identity(0).peer), { clock });
  for (let restart = 0; restart < 4; restart++) {
    const before = round(peer) + 1 + restart;
    await clock.runUntil(`round ${before}`, () => round(peer) >= before);
    await peer.host.close();
    const { chain, weights } = peer.host.status();
    const transport = new MemoryNetwork().join(identity(0).peer);
    peer = await start(0, transport, { clock, store: peer.store, journal: peer.journal });
    await clock.runUntil("it is back", () => round(peer) >= chain!.round);
    const told = bases(peer).get(chain!.round);
    assert.ok(told !== undefined || round(peer) > chain!.round);
    assert.ok(await peer.store.has(weights!));
  }
  await peer.host.close();
});

Deno.test("a host comes back from its folder, also when its journal was cut short", async () => {
  const clock = new ManualClock(), folder = await Deno.makeTempDir();
  const open = async (): Promise<[Peer, Journal]> => {
    const journal = await openDiskJournal(`${folder}/journal`), store = await openDiskBlobStore(`${folder}/blobs`);
    return [await start(0, new MemoryNetwork().join(identity(0).peer), { clock, store, journal }), journal];
  };
  try {
    let last = 0;
    for (const cutBytes of [0, 0, 3]) {
      const [peer, journal] = await open();
      await clock.runUntil("it has a state again", () => round(peer) >= Math.max(0, last - 1));
      const told = bases(peer).get(last);
      await clock.runUntil("it is two rounds on", () => round(peer) >= last + 2);
      assert.ok(told === undefined || told === bases(peer).get(last));
      last = round(peer);
      await peer.host.close();
      await journal[Symbol.asyncDispose]();
      await Deno.truncate(`${folder}/journal`, (await Deno.stat(`${folder}/journal`)).size - cutBytes);
    }
    const [peer, journal] = await open();
    assert.match(peer.events.find(({ kind }) => kind === "journal damaged")?.kind ?? "", /damaged/);
    await clock.runUntil("it goes on", () => round(peer) > last);
    await peer.host.close();
    await journal[Symbol.asyncDispose]();
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("a host that leaves says so, ends, and the others go on without it", async () => {
  const clock = new ManualClock(), network = new MemoryNetwork();
  const wren = await start(0, network.join(identity(0).peer), { clock });
  const finch = await start(1, network.join(identity(1).peer), { clock, addresses: [`/memory/${identity(0).peer}`] });
  await clock.runUntil("both are at round 2", () => agree([wren, finch], 2));
  const left = finch.host.leave();
  let end: string | null = null;
  left.then(({ kind }) => end = kind);
  await clock.runUntil("finch has left", () => end !== null);
  assert.equal(end, "stopped");
  const isTold = (event: HostEvent) =>
    event.kind === "left" && event.peer === finch.host.peer && event.name === "peer 1";
  await clock.runUntil("wren is told", () => wren.events.some(isTold));
  const then = round(wren);
  await clock.runUntil("wren goes on", () => round(wren) >= then + 3);
  await wren.host.close();
});

/** A clock that leaps forward by `leapMs`, as that of a machine that slept; alarms ring by the time that was passing. */
class LeapingClock extends ManualClock {
  leapMs = 0;

  override now(): number {
    return super.now() + this.leapMs;
  }

  override alarm(atMs: number, act: () => void): Disposable {
    return super.alarm(atMs - this.leapMs, act);
  }
}

Deno.test("rounds go on and lose no offer when the clock of a peer leaps forward by hours", async () => {
  const clock = new ManualClock(), leaping = new LeapingClock(), network = new MemoryNetwork();
  const wren = await start(0, network.join(identity(0).peer), { clock });
  const addresses = [`/memory/${identity(0).peer}`];
  const finch = await start(1, network.join(identity(1).peer), { clock: leaping, addresses });
  const agreeOn = (at: number) =>
    clock.runUntil(`both agree on round ${at}`, () => {
      leaping.advance(10);
      return agree([wren, finch], at);
    });
  await agreeOn(2);
  for (const hours of [1, 5]) {
    leaping.leapMs = hours * 3_600_000;
    await agreeOn(round(wren) + 3);
    const last = wren.events.findLast((event) => event.kind === "round");
    assert.equal(last?.counted.filter(({ offer }) => offer.tokens > 0).length, 2, "both contribute");
  }
  for (const { events } of [wren, finch]) {
    assert.deepEqual(events.filter((event) => event.kind === "fate" && event.fate !== "counted"), []);
    assert.deepEqual(events.filter(({ kind }) => kind === "mismatch" || kind === "reorganised"), []);
  }
  for (const { host } of [wren, finch]) await host.close();
});

Deno.test("a host that leaves dials nobody and says of nobody that it cannot be reached", async () => {
  const clock = new ManualClock(), network = new MemoryNetwork(), transport = network.join(identity(0).peer);
  const wren = await start(0, transport, { clock });
  const finch = await start(1, network.join(identity(1).peer), { clock, addresses: [`/memory/${identity(0).peer}`] });
  await clock.runUntil("both are at round 2", () => agree([wren, finch], 2));
  const left = finch.host.leave();
  let isOver = false;
  left.then(() => isOver = true);
  await wren.host.close();
  await transport[Symbol.asyncDispose]();
  await clock.runUntil("finch has left", () => isOver);
  assert.deepEqual(finch.events.filter(({ kind }) => kind === "unreachable"), []);
});

Deno.test("a host survives garbage, foreign and forged messages, and names their senders", async () => {
  const clock = new ManualClock(), network = new MemoryNetwork();
  const wren = await start(0, network.join(identity(0).peer), { clock });
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
    const before = refusals(wren).length;
    stranger.announce(frame);
    await clock.runUntil("it was refused", () => refusals(wren).length > before);
    clock.advance(1000);
    await stranger.request(wren.host.peer, "sync/1", frame);
    await clock.runUntil("it was refused again", () => refusals(wren).length > before + 1);
    clock.advance(1000);
  }
  const reasons = refusals(wren);
  assert.match(reasons[0]!, /has version none/);
  assert.match(reasons.at(-3)!, /is of another run/);
  assert.match(reasons.at(-1)!, /it is the beat of another peer/);
  const then = round(wren);
  await clock.runUntil("wren goes on", () => round(wren) > then);
  await wren.host.close();
});

Deno.test("a host whose disk fails ends, says why and announces nothing that is not on disk", async () => {
  const clock = new ManualClock(), network = new MemoryNetwork();
  const journal = new MemoryJournal();
  const wren = await start(0, network.join(identity(0).peer), { clock, journal });
  await clock.runUntil("round 1", () => round(wren) >= 1);
  const listener = network.join(identity(7).peer);
  await listener.connect(`/memory/${identity(0).peer}`);
  const full = new Error("the disk is full");
  journal.append = () => Promise.reject(full);
  let heard = 0;
  listener.onAnnouncement((bytes) => {
    if (!new TextDecoder().decode(bytes).includes("beat")) heard++;
  });
  let end: unknown;
  wren.host.ended.then((found) => end = found);
  await clock.runUntil("it ended", () => end !== undefined);
  assert.deepEqual(end, { kind: "failed", error: full });
  assert.equal(heard, 0);
});

Deno.test("a host forgets what a crash left in its store, and nothing else", async () => {
  const clock = new ManualClock();
  const store = new MemoryBlobStore();
  await store.put(new Uint8Array(20));
  const wren = await start(0, new MemoryNetwork().join(identity(0).peer), { clock, store });
  await clock.runUntil("round 3", () => round(wren) >= 3);
  await wren.host.close();
  const orphan = await store.put(new Uint8Array(10)), before = await store.list();
  const again = await start(0, new MemoryNetwork().join(identity(0).peer), { clock, store, journal: wren.journal });
  await again.host.close();
  assert.equal(await store.has(orphan), false);
  assert.equal(await store.has(shard), true, "it is the run's");
  assert.ok(await store.has(wren.host.status().weights!));
  assert.ok((await store.list()).length >= before.length - 2);
});

Deno.test("a host whose journal was lost does not begin the run anew, but takes it from its peers", async () => {
  const clock = new ManualClock(), network = new MemoryNetwork(), store = new MemoryBlobStore();
  const transport = network.join(identity(0).peer);
  const wren = await start(0, transport, { clock, store });
  const finch = await start(1, network.join(identity(1).peer), { clock, addresses: [`/memory/${identity(0).peer}`] });
  await clock.runUntil("both agree", () => agree([wren, finch], 3));
  await wren.host.close();
  await transport[Symbol.asyncDispose]();
  const alone = new MemoryNetwork().join(identity(0).peer);
  await assert.rejects(start(0, alone, { clock, store }), /journal is empty, but blobs of a history .* --peer/);
  const addresses = [`/memory/${identity(1).peer}`], before = round(finch);
  const again = await start(0, network.join(identity(0).peer), { clock, store, found: false, addresses });
  await clock.runUntil("it has the history again", () => round(again) > before);
  await Promise.all([again.host.close(), finch.host.close()]);
});

Deno.test("startHost() refuses rules that are not those of the genesis", async () => {
  const clock = new ManualClock(), transport = new MemoryNetwork().join(identity(0).peer);
  const foreign = { ...rules, run: "00".repeat(32) as Digest };
  await assert.rejects(start(0, transport, { clock, rules: foreign }), /the rules are for run 0+, the genesis gives/);
});

Deno.test("startHost() refuses the journal of another run and says which it is", async () => {
  const clock = new ManualClock();
  const wren = await start(0, new MemoryNetwork().join(identity(0).peer), { clock });
  await clock.runUntil("round 1", () => round(wren) >= 1);
  await wren.host.close();
  const genesis = new TextEncoder().encode(`{"name":"other"}`), run = await runIdOf(genesis);
  const foreign = { clock, genesis, rules: { ...rules, run }, journal: wren.journal, store: wren.store };
  await assert.rejects(
    start(0, new MemoryNetwork().join(identity(0).peer), foreign),
    new RegExp(`belongs to run ${rules.run.slice(0, 8)}….*now that of run ${run.slice(0, 8)}….*Put run.json back`),
  );
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
  const wren = await start(0, transports[0]!, { clock });
  const finch = await start(1, transports[1]!, { clock });
  await clock.runUntil("both agree on a round that counted both", () => {
    const last = wren.events.findLast((event) => event.kind === "round");
    return last?.kind === "round" && last.counted.filter(({ offer }) => offer.tokens > 0).length === 2 &&
      agree([wren, finch], last.round);
  });
  await Promise.all([wren.host.close(), finch.host.close()]);
});
