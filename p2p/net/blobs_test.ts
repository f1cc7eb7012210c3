import { strict as assert } from "node:assert";
import { pattern } from "../../tests/conformance/blob_store.ts";
import { connectBoth, identity } from "../../tests/conformance/transport.ts";
import { type BlobStore, CHUNK_BYTES } from "../store/blob_store.ts";
import { blobDigest } from "../store/chunks.ts";
import { MemoryBlobStore } from "../store/memory.ts";
import { StorageError } from "../store/storage_error.ts";
import type { BlobName, PeerId } from "../sync/types.ts";
import { ManualClock } from "../../tests/manual_clock.ts";
import { serveBlobs } from "./blob_server.ts";
import { fetchBlob, type Fetched, type FetchOptions } from "./blobs.ts";
import { Donors } from "./donors.ts";
import { MemoryNetwork } from "./memory.ts";
import type { RequestHandler, Transport } from "./transport.ts";

const bytes = pattern(10 * CHUNK_BYTES - 5);

interface Donor {
  readonly transport: Transport;
  readonly store: BlobStore;
}

/** A reader and donors that are connected to it; the donors hold `bytes`. */
async function scene(donorCount: number) {
  const network = new MemoryNetwork();
  const reader = network.join(identity(0).peer), store = new MemoryBlobStore();
  const donors: Donor[] = [];
  for (let n = 1; n <= donorCount; n++) {
    const donor = { transport: network.join(identity(n).peer), store: new MemoryBlobStore() };
    await donor.store.put(bytes);
    serveBlobs(donor.transport, donor.store);
    await connectBoth(reader, donor.transport);
    donors.push(donor);
  }
  const blob: BlobName = { digest: await blobDigest(bytes), sizeBytes: bytes.length };
  const clock = new ManualClock(), memory = new Donors(clock);
  const fetch = (options: Partial<FetchOptions> = {}, transport: Pick<Transport, "request" | "link"> = reader) =>
    fetchBlob({ transport, store, clock, donors: memory }, blob, {
      donors: donors.map(({ transport }) => transport.peer),
      ...options,
    });
  return { network, reader, store, donors, blob, fetch, clock, memory };
}

/** What comes of it while time passes. */
async function outcome(clock: ManualClock, fetching: Promise<Fetched>): Promise<Fetched> {
  let fetched: Fetched | null = null;
  fetching.then((result) => fetched = result);
  await clock.runUntil("the fetch is over", () => fetched !== null);
  return fetched!;
}

/** Puts something between a donor and its readers. */
function meddle({ transport, store }: Donor, change: (serve: RequestHandler) => RequestHandler): void {
  serveBlobs({ onRequest: (name, serve) => transport.onRequest(name, change(serve)) }, store);
}

Deno.test("fetchBlob() brings a blob from one donor and tells how far it is", async () => {
  const { fetch, store, blob } = await scene(1);
  const progress: number[] = [];
  assert.deepEqual(await fetch({ onProgress: (held) => progress.push(held) }), { ok: true, dropped: [] });
  assert.deepEqual(await store.get(blob.digest), bytes);
  assert.equal(progress.length, 10);
  assert.equal(progress.at(-1), bytes.length);
});

Deno.test("fetchBlob() asks nobody for what is there", async () => {
  const { fetch, store } = await scene(1);
  await store.put(bytes);
  assert.deepEqual(await fetch({ donors: [] }), { ok: true, dropped: [] });
});

Deno.test("fetchBlob() shares the chunks out over its donors, a few at a time", async () => {
  const { fetch, donors } = await scene(3);
  const served = donors.map(() => 0);
  let inFlight = 0, most = 0;
  for (const [i, donor] of donors.entries()) {
    meddle(donor, (serve) => async (from, request) => {
      served[i]!++;
      most = Math.max(most, ++inFlight);
      const answer = await serve(from, request);
      inFlight--;
      return answer;
    });
  }
  assert.equal((await fetch()).ok, true);
  assert.ok(served.every((count) => count >= 2), `served ${served}`);
  assert.ok(most >= 2 && most <= 8, `${most} at once`);
});

Deno.test("fetchBlob() drops a donor that lies about a chunk, names it, and finishes with the others", async () => {
  const { fetch, donors, store, blob } = await scene(2);
  meddle(donors[0]!, (serve) => async (from, request) => {
    const answer = await serve(from, request);
    if (request[0] === 1) answer![0]! ^= 1;
    return answer;
  });
  const fetched = await fetch();
  assert.equal(fetched.ok, true);
  assert.deepEqual(fetched.dropped.map(({ peer }) => peer), [donors[0]!.transport.peer]);
  assert.match(fetched.dropped[0]!.reason, /Cannot keep chunk \d+ of blob .*: found .*, wanted /);
  assert.deepEqual(await store.get(blob.digest), bytes);
});

Deno.test("fetchBlob() drops a donor that lies about the chunk list", async () => {
  const { fetch, donors } = await scene(2);
  meddle(donors[0]!, (serve) => async (from, request) => {
    const answer = await serve(from, request);
    if (request[0] === 0) answer![40]! ^= 1;
    return answer;
  });
  const fetched = await fetch();
  assert.equal(fetched.ok, true);
  assert.deepEqual(fetched.dropped, [
    { peer: donors[0]!.transport.peer, reason: "sent a chunk list that is not this blob's" },
  ]);
});

Deno.test("fetchBlob() gives up a blob that was named with a false size, and blames none of its donors", async () => {
  const { fetch, donors, blob, reader, clock, memory } = await scene(2);
  const options = { donors: donors.map(({ transport }) => transport.peer) };
  const falseBlob = { ...blob, sizeBytes: blob.sizeBytes + 1 };
  const wrong = await fetchBlob(
    { transport: reader, store: new MemoryBlobStore(), clock, donors: memory },
    falseBlob,
    options,
  );
  assert.match(
    reasonOf(wrong),
    new RegExp(`0 of ${falseBlob.sizeBytes} bytes held\\): it has ${blob.sizeBytes} bytes$`),
  );
  assert.deepEqual(wrong.dropped, []);
  assert.deepEqual(await fetch(), { ok: true, dropped: [] });
});

Deno.test("fetchBlob() leaves a donor that lied alone for a minute, the next time for two", async () => {
  const { fetch, donors, store, blob, clock, memory } = await scene(1);
  const [liar] = donors;
  let isLying = true, asked = 0;
  meddle(liar!, (serve) => async (from, request) => {
    asked++;
    const answer = await serve(from, request);
    if (isLying && request[0] === 1) answer![0]! ^= 1;
    return answer;
  });
  const waits: number[] = [];
  for (const _ of [1, 2]) {
    assert.equal((await fetch()).ok, false);
    const shunnedAtMs = clock.now(), before = asked;
    assert.match(
      reasonOf(await fetch()),
      /is not asked for \d+ s more, because it sent wrong bytes: Cannot keep chunk/,
    );
    assert.equal(asked, before, "nothing was asked");
    while (memory.whyShunned(liar!.transport.peer) !== null) clock.advance(1000);
    waits.push(clock.now() - shunnedAtMs);
  }
  assert.deepEqual(waits, [60_000, 120_000]);
  isLying = false;
  assert.equal((await fetch()).ok, true);
  assert.deepEqual(await store.get(blob.digest), bytes);
});

Deno.test("fetchBlob() gives the chunks of a donor that does not answer to the others, and drops it if it never does", async () => {
  const { fetch, donors, clock } = await scene(2);
  const silent = donors[1]!;
  meddle(silent, (serve) => (from, request) => request[0] === 1 ? new Promise(() => {}) : serve(from, request));
  const rescued = await outcome(clock, fetch());
  assert.deepEqual(rescued, { ok: true, dropped: [] });
  assert.ok(clock.now() < 10_000, `the end was held up for ${clock.now()} ms`);

  const { fetch: fetchAlone, donors: [alone], clock: later } = await scene(1);
  meddle(alone!, (serve) => (from, request) => request[0] === 1 ? new Promise(() => {}) : serve(from, request));
  const failed = await outcome(later, fetchAlone());
  assert.equal(failed.dropped.length, 1);
  assert.match(failed.dropped[0]!.reason, /^was too slow: it owes an answer for 30.\d s$/);
  assert.match(reasonOf(await fetchAlone()), /is not asked for \d+ s more, because it was too slow/);
});

Deno.test("fetchBlob() blames nobody for the hours in which its own machine slept", async () => {
  const { fetch, donors, clock } = await scene(1);
  const asleep = Promise.withResolvers<void>();
  let asked = 0;
  meddle(donors[0]!, (serve) => async (from, request) => {
    if (request[0] === 1 && ++asked > 0) await asleep.promise;
    return await serve(from, request);
  });
  const fetching = fetch();
  await clock.runUntil("it was asked", () => asked > 0);
  clock.advance(3_600_000);
  asleep.resolve();
  assert.deepEqual(await outcome(clock, fetching), { ok: true, dropped: [] });
});

Deno.test("fetchBlob() goes on where it stopped after its donor went away", async () => {
  const { fetch, donors, network, reader } = await scene(2);
  let pieces = 0;
  const count = (serve: RequestHandler): RequestHandler => (from, request) => {
    if (request[0] === 1 && ++pieces === 6) network.cut(reader.peer, donors[0]!.transport.peer);
    return serve(from, request);
  };
  meddle(donors[0]!, count);
  const broken = await fetch({ donors: [donors[0]!.transport.peer] });
  assert.equal(broken.ok, false);
  assert.match(broken.ok ? "" : broken.reason, /\(\d+ of 2621435 bytes held\): .*(it disconnected|is not connected)/);
  const held = Number(/\((\d+) of/.exec(reasonOf(broken))![1]);
  assert.ok(held > 0);
  const progress: number[] = [];
  assert.equal((await fetch({ onProgress: (heldBytes) => progress.push(heldBytes) })).ok, true);
  assert.equal(progress.filter((heldBytes) => heldBytes <= held).length, held / CHUNK_BYTES, "these were there");
});

Deno.test("fetchBlob() stops when its signal aborts and keeps what it has", async () => {
  const { fetch, store, blob, donors } = await scene(1);
  let pieces = 0;
  meddle(
    donors[0]!,
    (serve) => (from, request) => request[0] === 1 && ++pieces > 6 ? new Promise(() => {}) : serve(from, request),
  );
  const controller = new AbortController();
  const stopped = await fetch({
    signal: controller.signal,
    onProgress: (held) => {
      if (held >= CHUNK_BYTES) controller.abort();
    },
  });
  assert.equal(stopped.ok, false);
  assert.match(stopped.ok ? "" : stopped.reason, /it was aborted/);
  assert.ok((await (await store.partial(blob.digest, bytes.length)).held()).length >= 1);
});

Deno.test("fetchBlob() says of every donor why it could not help", async () => {
  const { fetch, donors, store } = await scene(2);
  for (const donor of donors) await donor.store.delete(await blobDigest(bytes));
  const nobody = identity(9).peer;
  const fetched = await fetch({ donors: [...donors.map(({ transport }) => transport.peer), nobody] });
  assert.equal(fetched.ok, false);
  assert.match(fetched.ok ? "" : fetched.reason, /does not have it; .*does not have it; .*is not there/);
  assert.deepEqual(fetched.dropped, [], "none of them is at fault");
  assert.deepEqual(await store.list(), []);
  assert.match(reasonOf(await fetch({ donors: [] as PeerId[] })), /nobody is known to have it/);
});

Deno.test("fetchBlob() asks nobody else while its donor gives what it has", async () => {
  const { fetch, donors } = await scene(2);
  const asked = [0, 0];
  for (const [i, donor] of donors.entries()) {
    meddle(donor, (serve) => (from, request) => {
      asked[i]!++;
      return serve(from, request);
    });
  }
  const [author, other] = donors.map(({ transport }) => transport.peer);
  assert.deepEqual(await fetch({ donors: [author!], others: [other!] }), { ok: true, dropped: [] });
  assert.ok(asked[0]! >= 11);
  assert.equal(asked[1], 0);
});

Deno.test("fetchBlob() turns to the others, and blames nobody, when its donor has dropped the blob in the middle", async () => {
  const { fetch, donors, store, blob } = await scene(3);
  const [author, stranger, other] = donors.map(({ transport }) => transport.peer);
  let pieces = 0;
  meddle(
    donors[0]!,
    (serve) => (from, request) => request[0] === 1 && ++pieces > 4 ? Promise.resolve(null) : serve(from, request),
  );
  await donors[1]!.store.delete(blob.digest);
  assert.deepEqual(await fetch({ donors: [author!], others: [stranger!, other!] }), { ok: true, dropped: [] });
  assert.deepEqual(await store.get(blob.digest), bytes);
});

Deno.test("fetchBlob() does not blame a donor for its own disk", async () => {
  const { fetch, store, blob } = await scene(1);
  const partial = await store.partial(blob.digest, blob.sizeBytes);
  partial.write = () => Promise.reject(new StorageError("the disk is full"));
  await assert.rejects(fetch(), /the disk is full/);
});

Deno.test("serveBlobs() refuses what is no request and gives nothing beyond a blob", async () => {
  const { reader, donors, blob } = await scene(1);
  const { peer } = donors[0]!.transport;
  const digest = Uint8Array.fromHex(blob.digest), zeros = new Uint8Array(32);
  const [start, length] = [[0, 0, 0, 0, 0, 0, 0, 0], [0, 0, 0, 9]];
  for (
    const request of [
      [],
      [0],
      [2, ...zeros],
      [1, ...digest],
      [0, ...digest, 0],
      [1, ...digest, ...start, 0, 0, 0, 0],
      [1, ...digest, 0, 0, 0, 0, 0, 3, 0xff, 0xff, ...length], // over the border of a chunk
      [1, ...digest, 0xff, 0, 0, 0, 0, 0, 0, 0, ...length],
      [1, ...digest, ...start, 0xff, 0, 0, 0],
      [1, ...zeros, ...start, ...length],
    ]
  ) {
    await assert.rejects(reader.request(peer, "blobs/2", Uint8Array.from(request)), /it refused/);
  }
  const beyond = Uint8Array.from([1, ...digest, 0, 0, 0, 0, 1, 0, 0, 0, ...length]);
  assert.equal((await reader.request(peer, "blobs/2", beyond)).length, 0);
});

function reasonOf(fetched: Fetched): string {
  return fetched.ok ? "" : fetched.reason;
}
