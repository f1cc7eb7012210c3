/**
 * Fetching over lines of given rate and delay, on a virtual clock: how long it takes when donors die, and what a beat
 * would wait for meanwhile.
 * @module
 */
import { strict as assert } from "node:assert";
import { pattern } from "../../tests/conformance/blob_store.ts";
import { connectBoth, identity } from "../../tests/conformance/transport.ts";
import { ManualClock } from "../../tests/manual_clock.ts";
import { type LinedTransport, MemoryLine, throughLines } from "../../tests/net/memory_lines.ts";
import { CHUNK_BYTES } from "../store/blob_store.ts";
import { blobDigest } from "../store/chunks.ts";
import { MemoryBlobStore } from "../store/memory.ts";
import type { PeerId } from "../sync/types.ts";
import { serveBlobs } from "./blob_server.ts";
import { BlobFetch, type Fetched, type FetchOptions } from "./blobs.ts";
import { Donors } from "./donors.ts";
import { MemoryNetwork } from "./memory.ts";

const bytes = pattern(24 * CHUNK_BYTES - 77);
const bits = 8 * bytes.length;
const STEP_MS = 5;

interface LinesScene {
  readonly clock: ManualClock;
  readonly donors: readonly PeerId[];
  readonly lined: LinedTransport;
  readonly ups: ReadonlyMap<PeerId, MemoryLine>;
  /** Lets time pass until the fetch is over; returns what came of it. */
  readonly finish: (over: Promise<Fetched>, meanwhile?: () => void) => Promise<Fetched>;
  readonly fetch: (options?: Partial<FetchOptions>) => { fetch: BlobFetch; over: Promise<Fetched> };
}

/** A reader with a line of `downBits` a second, and donors with lines of `upBits`, 20 ms away. */
async function scene({ downBits, upBits }: { downBits: number; upBits: readonly number[] }): Promise<LinesScene> {
  const network = new MemoryNetwork(), clock = new ManualClock();
  const reader = network.join(identity(0).peer), { store, writing } = busyStore();
  const donors: PeerId[] = [];
  for (const n of upBits.keys()) {
    const transport = network.join(identity(n + 1).peer), store = new MemoryBlobStore();
    await store.put(bytes);
    serveBlobs(transport, store);
    transport.onRequest("probe/1", () => Promise.resolve(new Uint8Array(100)));
    await connectBoth(reader, transport);
    donors.push(transport.peer);
  }
  const ups = new Map(donors.map((peer, i) => [peer, new MemoryLine(upBits[i]!)]));
  const lined = throughLines(reader, { clock, down: new MemoryLine(downBits), up: ups, delayMs: 20 });
  const memory = new Donors(clock), blob = { digest: await blobDigest(bytes), sizeBytes: bytes.length };
  return {
    clock,
    donors,
    lined,
    ups,
    finish: (over, meanwhile = () => {}) =>
      finish(over, { clock, meanwhile, isBusy: () => lined.busy + writing() > 0 }),
    fetch(options = {}) {
      const fetch = new BlobFetch({ transport: lined, store, clock, donors: memory }, blob, { donors, ...options });
      return { fetch, over: fetch.run() };
    },
  };
}

/** A store that tells how many chunks it is hashing and writing. */
function busyStore() {
  const store = new MemoryBlobStore();
  let writing = 0;
  const { partial } = store;
  store.partial = async (digest, sizeBytes) => {
    const whole = await partial.call(store, digest, sizeBytes);
    const { write, begin } = whole;
    const counted = <T>(work: Promise<T>): Promise<T> => {
      writing++;
      return work.finally(() => writing--);
    };
    whole.write = (index, bytes) => counted(write.call(whole, index, bytes));
    whole.begin = (chunks) => counted(begin.call(whole, chunks));
    return whole;
  };
  return { store, writing: () => writing };
}

/** Time passes only while nothing is computed, so that a busy machine changes nothing. */
async function finish(over: Promise<Fetched>, { clock, meanwhile, isBusy }: {
  readonly clock: ManualClock;
  readonly meanwhile: () => void;
  readonly isBusy: () => boolean;
}): Promise<Fetched> {
  let fetched: Fetched | null = null;
  over.then((result) => fetched = result);
  while (fetched === null) {
    await new Promise((resolve) => setTimeout(resolve, 0));
    if (isBusy()) continue;
    meanwhile();
    clock.advance(STEP_MS);
    assert.ok(clock.now() < 600_000, "the fetch never ends");
  }
  return fetched;
}

Deno.test("a blob comes from many donors within 1.15 times size over bandwidth", async () => {
  const { clock, fetch, finish } = await scene({ downBits: 10e6, upBits: [4e6, 4e6, 4e6, 4e6] });
  assert.deepEqual(await finish(fetch().over), { ok: true, dropped: [] });
  assert.ok(clock.now() <= 1.15 * bits / 10e3, `${clock.now()} ms of ${bits / 10e3}`);
});

for (const how of ["gone", "silent"] as const) {
  Deno.test(`a blob comes within 1.3 times size over bandwidth although half of its donors go ${how} midway`, async () => {
    const { clock, donors, lined, fetch, finish } = await scene({ downBits: 10e6, upBits: [8e6, 8e6, 8e6, 8e6] });
    let heldBytes = 0, killed = false;
    const { over } = fetch({ onProgress: (held) => heldBytes = held });
    const fetched = await finish(over, () => {
      if (killed || heldBytes < bytes.length / 2) return;
      killed = true;
      for (const peer of donors.slice(0, 2)) lined.lose(peer, how);
    });
    assert.equal(fetched.ok, true);
    assert.ok(killed);
    assert.ok(clock.now() <= 1.3 * bits / 10e3, `${clock.now()} ms of ${bits / 10e3}`);
    if (how === "gone") assert.deepEqual(fetched.dropped.map(({ peer }) => peer).sort(), donors.slice(0, 2).sort());
  });
}

Deno.test("a donor a hundred times slower than the others does not hold up the end", async () => {
  const { clock, fetch, finish } = await scene({ downBits: 20e6, upBits: [10e6, 10e6, 0.1e6] });
  assert.equal((await finish(fetch().over)).ok, true);
  assert.ok(clock.now() <= 1.3 * bits / 20e3, `${clock.now()} ms of ${bits / 20e3}`);
});

Deno.test("donors that come later are used at once", async () => {
  const { donors, ups, fetch, finish } = await scene({ downBits: 40e6, upBits: [5e6, 20e6] });
  const [first, later] = donors as [PeerId, PeerId];
  let heldBytes = 0, added = false;
  const { fetch: running, over } = fetch({ donors: [first], onProgress: (held) => heldBytes = held });
  const fetched = await finish(over, () => {
    if (added || heldBytes < bytes.length / 4) return;
    added = true;
    running.add([later]);
  });
  assert.equal(fetched.ok, true);
  assert.ok(ups.get(later)!.passedBytes > 0.5 * bytes.length, `${ups.get(later)!.passedBytes} bytes`);
});

Deno.test("a donor whose line is slow gets help from one that may have the blob", async () => {
  const { clock, donors, ups, fetch, finish } = await scene({ downBits: 40e6, upBits: [2e6, 20e6] });
  const [author, other] = donors as [PeerId, PeerId];
  assert.equal((await finish(fetch({ donors: [author], others: [other] }).over)).ok, true);
  assert.ok(clock.now() < 8000, `${clock.now()} ms, where the author alone takes ${bits / 2e3}`);
  assert.ok(ups.get(other)!.passedBytes > 0.5 * bytes.length);
});

Deno.test("on a line of 10 Mbit/s no more than 400 ms of bulk is under way, and on a fast one enough to fill it", async () => {
  for (const [downBits, mostMs] of [[10e6, 400], [400e6, 400]] as const) {
    const { clock, lined, donors, fetch, finish } = await scene({ downBits, upBits: Array(6).fill(downBits) });
    const waits: number[] = [];
    let probing = false;

    // A small answer waits behind all that was asked for before it, as a beat would.
    const probe = async (): Promise<void> => {
      probing = true;
      const askedAtMs = clock.now();
      await lined.request(donors[1]!, "probe/1", Uint8Array.of(1));
      waits.push(clock.now() - askedAtMs);
      probing = false;
    };
    const { over } = fetch();
    assert.equal((await finish(over, () => void (probing || probe()))).ok, true);
    const worst = Math.max(...waits);
    assert.ok(worst <= mostMs, `a probe waited ${worst} ms at ${downBits} bit/s`);
    assert.ok(clock.now() <= 1.4 * bits / (downBits / 1e3) + 300, `${clock.now()} ms of ${bits / (downBits / 1e3)}`);
  }
});
