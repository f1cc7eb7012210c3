import { strict as assert } from "node:assert";
import { connectBoth, identity } from "../tests/conformance/transport.ts";
import { ManualClock } from "../tests/manual_clock.ts";
import { openStubLearner } from "../tests/stub_learner.ts";
import { rules } from "../tests/stub_peer.ts";
import { AUTHOR_BYTES, withAuthor } from "./authorship.ts";
import { Bringer } from "./bring.ts";
import { Incoming, type IncomingOptions } from "./incoming.ts";
import { LearnerStoppedError } from "./learner.ts";
import { serveBlobs } from "./net/blob_server.ts";
import { MemoryNetwork } from "./net/memory.ts";
import { MemoryBlobStore } from "./store/memory.ts";
import { openStock } from "./store/stock.ts";
import { StorageError } from "./store/storage_error.ts";
import { genesisState } from "./sync/chain.ts";
import { digestOf } from "./sync/digest.ts";
import type { Effect } from "./sync/effects.ts";
import { buildOffer, NO_WORK } from "./sync/offer.ts";
import type { Digest } from "./sync/types.ts";

/** Of the weights of the stub learner, and so most of a contribution without its author. */
const WEIGHTS_BYTES = 48;
/** Of the contributions that are offered here. */
const OFFERED_BYTES = AUTHOR_BYTES + WEIGHTS_BYTES;

type Fetch = Extract<Effect, { kind: "fetch" }>;

/** A peer that may store so many bytes, and another that offers contributions which no learner can read. */
async function scene({ mostBytes, ...changes }: { readonly mostBytes: number } & Partial<IncomingOptions>) {
  const network = new MemoryNetwork(), clock = new ManualClock(), below = new MemoryBlobStore(), told: string[] = [];
  const transport = network.join(identity(0).peer), donor = network.join(identity(1).peer);
  const there = new MemoryBlobStore(), peer = donor.peer, learner = openStubLearner();
  serveBlobs(donor, there);
  await connectBoth(transport, donor);
  const store = await openStock(below, { mostBytes, onSpared: () => {} });
  const emit: IncomingOptions["emit"] = (event) => event.kind === "no room" && told.push(event.reason);
  const signal = new AbortController().signal;
  const bringer = new Bringer({ transport, store, clock, emit, signal });
  const initial = { digest: await learner.initial(), sizeBytes: WEIGHTS_BYTES };
  const incoming = new Incoming({ bringer, transport, store, learner, clock, initial, emit, ...changes });
  const fetchOf = async (n: number, { isNeeded }: { readonly isNeeded: boolean }): Promise<Fetch> => {
    const bytes = withAuthor(new Uint8Array(WEIGHTS_BYTES).fill(n), peer);
    const blob = { digest: await there.put(bytes), sizeBytes: bytes.length };
    const about = { self: peer, name: "heron", device: "cpu", waitMs: 0, transferMs: 0, nextMs: 1, heldOut: null };
    const ground = { chain: genesisState(rules), base: rules.run };
    const offer = buildOffer(ground, { ...NO_WORK, blob }, { ...about, rules, leaving: false });
    return { kind: "fetch", digest: digestOf(offer), offer, blob, from: [peer], isNeeded };
  };
  return { incoming, below, there, store, clock, told, peer, fetchOf };
}

const optional = { isNeeded: false }, needed = { isNeeded: true };

Deno.test("a contribution that no record counts is missing when there is no room, and many are told of once", async () => {
  const { incoming, clock, told, fetchOf } = await scene({ mostBytes: 100 });
  assert.equal((await incoming.contribution(await fetchOf(1, optional))).kind, "fetched");
  for (let n = 2; n < 30; n++) {
    const answer = await incoming.contribution(await fetchOf(n, optional));
    assert.ok(answer.kind === "missing");
    assert.match(answer.reason, /^Cannot store a blob of .* none of them can be spared for it\. .* --disk-gb\.$/);
    clock.advance(60_000);
  }
  assert.equal(told.length, 1);
  clock.advance(600_000);
  await incoming.contribution(await fetchOf(2, optional));
  assert.equal(told.length, 2, "that is another time");
});

Deno.test("a contribution that a record counts takes the room of one that none counts, or ends the host", async () => {
  const { incoming, told, store, fetchOf } = await scene({ mostBytes: 100 });
  const [first, second, third] = [await fetchOf(1, optional), await fetchOf(2, needed), await fetchOf(3, needed)];
  await incoming.contribution(first);
  assert.equal((await incoming.contribution(second)).kind, "fetched");
  assert.deepEqual([await store.has(first.blob.digest), await store.has(second.blob.digest)], [false, true]);
  await assert.rejects(incoming.contribution(third), (error) => {
    assert.ok(error instanceof StorageError && error.isFull);
    assert.match(
      error.message,
      /^Cannot fold a contribution that the run has counted\. .* all of them are needed\. .* --disk-gb\.$/,
    );
    return true;
  });
  assert.deepEqual(told, []);
});

/** Lets no chunk be written before `go` is called. */
function holdWrites(below: MemoryBlobStore, beforeWrite: () => void = () => {}) {
  const { partial } = below, writing = Promise.withResolvers<void>(), gate = Promise.withResolvers<void>();
  below.partial = async (digest, sizeBytes) => {
    const inner = await partial.call(below, digest, sizeBytes);
    return {
      held: () => inner.held(),
      begin: (chunks) => inner.begin(chunks),
      async write(index, bytes) {
        writing.resolve();
        await gate.promise;
        beforeWrite();
        await inner.write(index, bytes);
      },
      finish: () => inner.finish(),
    };
  };
  return { writing: writing.promise, go: gate.resolve };
}

Deno.test("a contribution on its way has the disk's room as soon as a record counts it", async () => {
  const { incoming, below, store, fetchOf } = await scene({ mostBytes: Infinity });
  let writes = 0;
  const { writing, go } = holdWrites(below, () => {
    if (writes++ === 0) throw new StorageError("the disk is full", { isFull: true });
  });
  const other = await store.put(new Uint8Array(OFFERED_BYTES).fill(7));
  store.name(other, { kind: "contribution", round: 1, need: "doubtful" });
  const fetch = await fetchOf(1, optional), before = incoming.contribution(fetch);
  await writing;
  const counted = incoming.contribution({ ...fetch, digest: digestOf("the same in another offer"), isNeeded: true });
  go();
  assert.deepEqual([(await before).kind, (await counted).kind], ["fetched", "fetched"]);
  assert.equal(await store.has(other), false);
});

Deno.test("a contribution that gave way just before a record counts it is fetched anew", async () => {
  const { incoming, below, store, fetchOf } = await scene({ mostBytes: OFFERED_BYTES });
  const { writing, go } = holdWrites(below);
  const fetch = await fetchOf(1, optional), before = incoming.contribution(fetch);
  await writing;
  const deleted = store.delete(fetch.blob.digest);
  const counted = incoming.contribution({ ...fetch, isNeeded: true });
  go();
  assert.deepEqual([(await before).kind, (await counted).kind], ["missing", "fetched"]);
  await deleted;
});

Deno.test("a disk that fails otherwise ends the host, whoever needs the blob or not", async () => {
  const { incoming, below, fetchOf } = await scene({ mostBytes: Infinity });
  below.partial = () => Promise.reject(new StorageError("it is on fire"));
  await assert.rejects(incoming.contribution(await fetchOf(1, optional)), /^StorageError: it is on fire$/);
  await assert.rejects(incoming.contribution(await fetchOf(2, needed)), /^StorageError: it is on fire$/);
});

Deno.test("weights of another size than the run's are refused before they are fetched or given room", async () => {
  const { incoming, store, peer } = await scene({ mostBytes: 1000 });
  const weights = { digest: "ab".repeat(32) as Digest, sizeBytes: 1e9 };
  const answer = await incoming.weights({ kind: "load", weights, sets: 1, from: [peer] });
  assert.ok(answer.kind === "load-failed");
  assert.equal(answer.reason, "they have 1000000000 bytes, the weights of that state have 48");
  assert.equal(store.usedBytes, 0);
});

Deno.test("weights that the learner refuses are an answer, and a learner that has stopped ends the host", async () => {
  const learner = openStubLearner();
  for (const error of [new Error("they do not fit"), new LearnerStoppedError("A thread has stopped")]) {
    const { incoming, there, peer } = await scene({
      mostBytes: Infinity,
      learner: { ...learner, load: () => Promise.reject(error) },
    });
    const weights = { digest: await there.put(new Uint8Array(WEIGHTS_BYTES)), sizeBytes: WEIGHTS_BYTES };
    const answer = incoming.weights({ kind: "load", weights, sets: 1, from: [peer] });
    if (error instanceof LearnerStoppedError) await assert.rejects(answer, error);
    else assert.deepEqual(await answer, { kind: "load-failed", weights: weights.digest, reason: "they do not fit" });
  }
});

Deno.test("weights for which there is no room end the host", async () => {
  const { incoming, there, peer } = await scene({ mostBytes: WEIGHTS_BYTES - 1 });
  const weights = { digest: await there.put(new Uint8Array(WEIGHTS_BYTES).fill(1)), sizeBytes: WEIGHTS_BYTES };
  await assert.rejects(incoming.weights({ kind: "load", weights, sets: 1, from: [peer] }), /all of them are needed/);
});

Deno.test("a contribution that the disk has lost is missing, and one that names another author is refused", async () => {
  const { incoming, below, there, fetchOf } = await scene({ mostBytes: Infinity }), { sizeOf } = below;
  const lost = await fetchOf(1, optional);
  below.sizeOf = (digest) => digest === lost.blob.digest ? Promise.resolve(null) : sizeOf.call(below, digest);
  const answer = await incoming.contribution(lost);
  assert.deepEqual(answer, { kind: "missing", offer: lost.digest, reason: "it is not on this disk any more" });
  for (const sizeBytes of [OFFERED_BYTES, AUTHOR_BYTES - 1]) {
    const fetch = await fetchOf(2, optional), bytes = withAuthor(new Uint8Array(WEIGHTS_BYTES), identity(2).peer);
    const blob = { digest: await there.put(bytes.subarray(0, sizeBytes)), sizeBytes };
    const answer = await incoming.contribution({ ...fetch, blob });
    assert.ok(answer.kind === "fetched" && answer.verdict !== null && !answer.verdict.valid);
    assert.match(answer.verdict.reason, /^it is copied: its contribution names another author/);
  }
});
