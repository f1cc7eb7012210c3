/**
 * Disks that are full: for a while, at any write, or because blobs have reached their bound.
 * @module
 */
import { strict as assert } from "node:assert";
import { type Chance, chance } from "../tests/chance.ts";
import { connectBoth, identity } from "../tests/conformance/transport.ts";
import { ManualClock } from "../tests/manual_clock.ts";
import { openStubLearner } from "../tests/stub_learner.ts";
import { withAuthor } from "./authorship.ts";
import { type Host, type HostOptions, startHost } from "./host.ts";
import type { HostEnd, HostEvent } from "./host_event.ts";
import { serveBlobs } from "./net/blob_server.ts";
import { MemoryNetwork } from "./net/memory.ts";
import { MemoryJournal } from "./store/journal.ts";
import { MemoryBlobStore } from "./store/memory.ts";
import { StorageError } from "./store/storage_error.ts";
import { bodyDigest } from "./sync/digest.ts";
import { buildOffer, type Ground, NO_WORK } from "./sync/offer.ts";
import type { BlobName, Digest, Offer } from "./sync/types.ts";
import { encodeMessage } from "./wire.ts";
import { contextLength, genesis, rules as stubRules } from "../tests/stub_peer.ts";

const rules = { ...stubRules, codec: "int8" as const };

/** A disk whose writes fail when `isFull` says so. */
function disk(isFull: () => boolean) {
  const store = new MemoryBlobStore(), journal = new MemoryJournal();
  const { put } = store, { append } = journal;
  const full = () => new StorageError("Cannot write: the disk is full.", { isFull: true });
  store.put = (bytes) => isFull() ? Promise.reject(full()) : put.call(store, bytes);
  journal.append = (entries) => isFull() ? Promise.reject(full()) : append.call(journal, entries);
  return { store, journal };
}

async function start(clock: ManualClock, options: Pick<HostOptions, "store" | "journal"> & Partial<HostOptions>) {
  const events: HostEvent[] = [], ends: HostEnd[] = [];
  const host = await startHost({
    identity: identity(0),
    rules,
    genesis,
    runBlobs: [],
    found: true,
    addresses: [],
    name: "wren",
    device: "stub",
    transport: new MemoryNetwork().join(identity(0).peer),
    learner: openStubLearner({ contextLength }),
    clock,
    onEvent: (event) => events.push(event),
    ...options,
  });
  host.ended.then((end) => ends.push(end));
  clock.watch("The host", host.ended);
  return { host, events, ends };
}

async function sizeOf(store: MemoryBlobStore): Promise<number> {
  const sizes = await Promise.all((await store.list()).map((digest) => store.sizeOf(digest)));
  return sizes.reduce<number>((sum, bytes) => sum + (bytes ?? 0), 0);
}

const roundOf = (host: Host): number => host.status().chain?.round ?? -1;

Deno.test("a host whose disk is full at any write makes room or ends with the reason, and loses no round", async () => {
  let ended = 0;
  for (const seed of [1, 2, 3, 4]) {
    const random: Chance = chance(seed), clock = new ManualClock(), bases = new Map<number, Digest>();
    const { store, journal } = disk(() => random.happens(0.08));
    let reached = 0;
    for (let life = 0; reached < 12; life++) {
      assert.ok(life < 60, `seed ${seed}: ${life} lives`);
      const { host, events, ends } = await start(clock, { store, journal }).catch((error: unknown) => {
        assert.ok(error instanceof StorageError, `seed ${seed}: ${error}`);
        return { host: null, events: [], ends: [] };
      });
      if (host === null) continue;
      await clock.runUntil("it ended or got there", () => ends.length > 0 || roundOf(host) >= 12);
      await host.close();
      const first = events.find((event) => event.kind === "round");
      if (first?.kind === "round") assert.ok(first.round >= reached, `seed ${seed}: from ${reached} to ${first.round}`);
      for (const event of events) {
        if (event.kind !== "round") continue;
        assert.equal(bases.get(event.round) ?? event.base, event.base, `seed ${seed}: round ${event.round} changed`);
        bases.set(event.round, event.base);
        reached = Math.max(reached, event.round);
      }
      const [end] = ends;
      if (end?.kind !== "failed") continue;
      ended++;
      assert.ok(end.error instanceof StorageError && end.error.isFull, `seed ${seed}: ${end.error}`);
    }
  }
  assert.ok(ended > 0, "no disk ever was so full that its host had to end");
});

Deno.test("a host goes on within the bytes that its blobs may take, round after round", async () => {
  const clock = new ManualClock(), { store, journal } = disk(() => false);
  const mostBlobBytes = 400; // a state of the stub has 48 bytes, a contribution 76
  const { host, events } = await start(clock, { store, journal, mostBlobBytes });
  let mostBytes = 0;
  await clock.runUntil("many rounds", () => {
    sizeOf(store).then((bytes) => mostBytes = Math.max(mostBytes, bytes));
    return roundOf(host) >= 24;
  });
  assert.ok(mostBytes <= mostBlobBytes, `${mostBytes} bytes`);
  assert.ok(events.some(({ kind }) => kind === "blobs spared"));
  await host.close();
  const again = await start(clock, { store, journal, mostBlobBytes });
  await clock.runUntil("it goes on", () => roundOf(again.host) > 25);
  await again.host.close();
});

Deno.test("a host whose bound is too small for one round ends and says what to do", async () => {
  const clock = new ManualClock(), { store, journal } = disk(() => false);
  const { ends } = await start(clock, { store, journal, mostBlobBytes: 100 });
  await clock.runUntil("it ended", () => ends.length > 0);
  const [end] = ends;
  assert.ok(end?.kind === "failed" && end.error instanceof StorageError);
  assert.match(end.error.message, /^Cannot store a blob .* all of them are needed\. Let it use more with --disk-gb\.$/);
});

/** Says of a blob that it is the author's work on the head of `chain`. */
function offerOf(n: number, { chain, base }: Ground, blob: BlobName, changes: Partial<Offer> = {}): Uint8Array {
  const about = { self: identity(n).peer, name: "heron", device: "cpu", waitMs: 0, transferMs: 0, nextMs: 1 };
  const work = { ...NO_WORK, blob, steps: 1, ...changes };
  const body = { ...buildOffer({ chain, base }, work, { ...about, rules, heldOut: null, leaving: false }), ...changes };
  return encodeMessage({ kind: "signed", body, signature: identity(n).sign(bodyDigest(body)) });
}

/** A host that may store what two rounds need and little more, beside one that may store more, while strangers offer it as much as they may. */
Deno.test("strangers who offer more than a host may store end nothing, and take no member's room; that is said once", async () => {
  const clock = new ManualClock(), network = new MemoryNetwork(), blobs = new MemoryBlobStore();
  const join = (n: number) => {
    const transport = network.join(identity(n).peer);
    return { identity: identity(n), transport, learner: openStubLearner({ contextLength, pull: 0.1 + n / 100 }) };
  };
  const wren = join(0), strangers = [10, 11, 12, 13].map((n) => ({ n, stranger: network.join(identity(n).peer) }));
  const { host, events, ends } = await start(clock, { ...disk(() => false), ...wren, mostBlobBytes: 560 });
  const addresses = [`/memory/${host.peer}`];
  const finch = await start(clock, { ...disk(() => false), ...join(1), found: false, addresses });
  for (const { stranger } of strangers) {
    serveBlobs(stranger, blobs);
    await connectBoth(stranger, wren.transport);
  }
  const rounds = () => events.flatMap((event) => event.kind === "round" ? [event] : []);
  await clock.runUntil("both train", () => roundOf(finch.host) >= 2 && rounds().at(-1)!.counted.length === 2);
  const first = roundOf(host) + 1;
  for (let round = first; round < first + 12; round++) {
    for (const { n, stranger } of strangers) {
      for (let i = 0; i < 2; i++) { // as large as it may be, and nothing that any learner could read
        const bytes = withAuthor(new Uint8Array(48).fill(round).fill(i, 40), identity(n).peer);
        const blob = { digest: await blobs.put(bytes), sizeBytes: bytes.length };
        const ground = { chain: host.status().chain!, base: rounds().at(-1)!.base };
        stranger.announce(offerOf(n, ground, blob, { computeMs: i }));
      }
    }
    await clock.runUntil(`round ${round}`, () => ends.length > 0 || roundOf(host) >= round);
    assert.deepEqual(ends, []);
  }
  const told = events.filter((event) => event.kind === "no room");
  assert.equal(told.length, 1);
  assert.match(told[0]!.reason, /this peer may use 0\.0 MB for blobs/);
  const whole = rounds().filter(({ round, counted }) => round > first && counted.length === 2);
  assert.ok(whole.length >= 10, `of 11 rounds ${whole.length} counted both`);
  for (const each of [host, finch.host]) await each.close();
});
