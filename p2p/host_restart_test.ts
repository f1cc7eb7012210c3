/**
 * What a host finds on its disk when it starts, and what it does when the disk fails. Full disks are in
 * `full_disk_test.ts`.
 */
import { strict as assert } from "node:assert";
import { identity } from "../tests/conformance/transport.ts";
import { ManualClock } from "../tests/manual_clock.ts";
import { agree, basesOf, roundOf, rules, shard, startStubPeer, type StubPeer } from "../tests/stub_peer.ts";
import { runIdOf } from "./genesis.ts";
import type { HostEnd } from "./host_event.ts";
import { MemoryNetwork } from "./net/memory.ts";
import { openDiskBlobStore } from "./store/disk.ts";
import { openDiskJournal } from "./store/disk_journal.ts";
import { type Journal, MemoryJournal } from "./store/journal.ts";
import { MemoryBlobStore } from "./store/memory.ts";
import { StorageError } from "./store/storage_error.ts";
import type { Digest } from "./sync/types.ts";

Deno.test("a host alone goes on after it was closed at any moment, at the state it had", async () => {
  const clock = new ManualClock();
  const network = new MemoryNetwork();
  let peer = await startStubPeer(0, network.join(identity(0).peer), { clock });
  for (let restart = 0; restart < 4; restart++) {
    const before = roundOf(peer) + 1 + restart;
    await clock.runUntil(`round ${before}`, () => roundOf(peer) >= before);
    await peer.host.close();
    const { chain, weights } = peer.host.status();
    const transport = new MemoryNetwork().join(identity(0).peer);
    peer = await startStubPeer(0, transport, { clock, store: peer.store, journal: peer.journal });
    await clock.runUntil("it is back", () => roundOf(peer) >= chain!.round);
    const told = basesOf(peer).get(chain!.round);
    assert.ok(told !== undefined || roundOf(peer) > chain!.round);
    assert.ok(await peer.store.has(weights!));
  }
  await peer.host.close();
});

Deno.test("a host comes back from its folder, also when its journal was cut short", async () => {
  const clock = new ManualClock(), folder = await Deno.makeTempDir();
  const open = async (): Promise<[StubPeer, Journal]> => {
    const journal = await openDiskJournal(`${folder}/journal`), store = await openDiskBlobStore(`${folder}/blobs`);
    return [await startStubPeer(0, new MemoryNetwork().join(identity(0).peer), { clock, store, journal }), journal];
  };
  try {
    let last = 0;
    for (const cutBytes of [0, 0, 3]) {
      const [peer, journal] = await open();
      await clock.runUntil("it has a state again", () => roundOf(peer) >= Math.max(0, last - 1));
      const told = basesOf(peer).get(last);
      await clock.runUntil("it is two rounds on", () => roundOf(peer) >= last + 2);
      assert.ok(told === undefined || told === basesOf(peer).get(last));
      last = roundOf(peer);
      await peer.host.close();
      await journal[Symbol.asyncDispose]();
      await Deno.truncate(`${folder}/journal`, (await Deno.stat(`${folder}/journal`)).size - cutBytes);
    }
    const [peer, journal] = await open();
    assert.match(peer.events.find(({ kind }) => kind === "journal damaged")?.kind ?? "", /damaged/);
    await clock.runUntil("it goes on", () => roundOf(peer) > last);
    await peer.host.close();
    await journal[Symbol.asyncDispose]();
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

/** A host alone some rounds later, started again after some of its blobs were lost. */
async function afterLoss(round: number, isLost: (sizeBytes: number, weightsBytes: number) => boolean) {
  const clock = new ManualClock(), store = new MemoryBlobStore();
  const wren = await startStubPeer(0, new MemoryNetwork().join(identity(0).peer), { clock, store });
  await clock.runUntil(`round ${round}`, () => roundOf(wren) >= round);
  await wren.host.close();
  const weightsBytes = await store.sizeOf(wren.host.status().weights!);
  for (const digest of await store.list()) {
    if (isLost((await store.sizeOf(digest))!, weightsBytes!)) await store.delete(digest);
  }
  const transport = new MemoryNetwork().join(identity(0).peer);
  const again = await startStubPeer(0, transport, { clock, store, journal: wren.journal });
  return { clock, before: wren, again };
}

for (
  const [round, wanted] of [
    [7, /^going on from round 1: 6 of 7 saved states could not be read$/], // its weights are the run's first ones
    [10, /^none of 10 saved states can be read: folding the history anew$/],
  ] as const
) {
  Deno.test(`a host alone whose weights of ${round} rounds are lost folds them anew, to the same state`, async () => {
    const { clock, before, again } = await afterLoss(round, (sizeBytes, weightsBytes) => sizeBytes === weightsBytes);
    await clock.runUntil("it is where it was", () => roundOf(again) >= round);
    const had = basesOf(before);
    for (const [at, base] of basesOf(again)) assert.equal(base, had.get(at) ?? base, `round ${at} is another one`);
    const told = again.events.flatMap((event) => event.kind === "waiting" ? [event.reason] : []);
    assert.ok(told.some((reason) => wanted.test(reason)), told.join("; "));
    await clock.runUntil("it goes on", () => roundOf(again) > round);
    await again.host.close();
  });
}

Deno.test("a host alone that has lost all its blobs ends, and says what is lost and what to do", async () => {
  const { clock, again } = await afterLoss(10, () => true), ends: HostEnd[] = [];
  again.host.ended.then((end) => ends.push(end));
  await clock.runUntil("it has ended", () => ends.length > 0);
  const [end] = ends;
  assert.ok(end?.kind === "failed" && end.error instanceof StorageError);
  assert.match(
    end.error.message,
    /^Cannot go on: none of 10 saved states .* rounds 1 to 10 are lost .* --peer, or .* --state/,
  );
});

Deno.test("a host whose disk fails ends, says why and announces nothing that is not on disk", async () => {
  const clock = new ManualClock(), network = new MemoryNetwork();
  const journal = new MemoryJournal();
  const wren = await startStubPeer(0, network.join(identity(0).peer), { clock, journal });
  await clock.runUntil("round 1", () => roundOf(wren) >= 1);
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
  const wren = await startStubPeer(0, new MemoryNetwork().join(identity(0).peer), { clock, store });
  await clock.runUntil("round 3", () => roundOf(wren) >= 3);
  await wren.host.close();
  const orphan = await store.put(new Uint8Array(10)), before = await store.list();
  const again = await startStubPeer(0, new MemoryNetwork().join(identity(0).peer), {
    clock,
    store,
    journal: wren.journal,
  });
  await again.host.close();
  assert.equal(await store.has(orphan), false);
  assert.equal(await store.has(shard), true, "it is the run's");
  assert.ok(await store.has(wren.host.status().weights!));
  assert.ok((await store.list()).length >= before.length - 2);
});

Deno.test("a host whose journal was lost does not begin the run anew, but takes it from its peers", async () => {
  const clock = new ManualClock(), network = new MemoryNetwork(), store = new MemoryBlobStore();
  const transport = network.join(identity(0).peer);
  const wren = await startStubPeer(0, transport, { clock, store });
  const finch = await startStubPeer(1, network.join(identity(1).peer), {
    clock,
    addresses: [`/memory/${identity(0).peer}`],
  });
  await clock.runUntil("both agree", () => agree([wren, finch], 3));
  await wren.host.close();
  await transport[Symbol.asyncDispose]();
  const alone = new MemoryNetwork().join(identity(0).peer);
  await assert.rejects(startStubPeer(0, alone, { clock, store }), /journal is empty, but blobs of a history .* --peer/);
  const addresses = [`/memory/${identity(1).peer}`], before = roundOf(finch);
  const again = await startStubPeer(0, network.join(identity(0).peer), { clock, store, found: false, addresses });
  await clock.runUntil("it has the history again", () => roundOf(again) > before);
  await Promise.all([again.host.close(), finch.host.close()]);
});

Deno.test("startHost() refuses rules that are not those of the genesis", async () => {
  const clock = new ManualClock(), transport = new MemoryNetwork().join(identity(0).peer);
  const foreign = { ...rules, run: "00".repeat(32) as Digest };
  await assert.rejects(
    startStubPeer(0, transport, { clock, rules: foreign }),
    /the rules are for run 0+, the genesis gives/,
  );
});

Deno.test("startHost() refuses the journal of another run and says which it is", async () => {
  const clock = new ManualClock();
  const wren = await startStubPeer(0, new MemoryNetwork().join(identity(0).peer), { clock });
  await clock.runUntil("round 1", () => roundOf(wren) >= 1);
  await wren.host.close();
  const genesis = new TextEncoder().encode(`{"name":"other"}`), run = await runIdOf(genesis);
  const foreign = { clock, genesis, rules: { ...rules, run }, journal: wren.journal, store: wren.store };
  await assert.rejects(
    startStubPeer(0, new MemoryNetwork().join(identity(0).peer), foreign),
    new RegExp(`belongs to run ${rules.run.slice(0, 8)}….*now that of run ${run.slice(0, 8)}….*Put run.json back`),
  );
});
