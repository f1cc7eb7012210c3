import { strict as assert } from "node:assert";
import { pattern } from "../tests/conformance/blob_store.ts";
import { connectBoth, identity } from "../tests/conformance/transport.ts";
import { ManualClock } from "../tests/manual_clock.ts";
import { Bringer } from "./bring.ts";
import { serveBlobs } from "./net/blob_server.ts";
import { MemoryNetwork } from "./net/memory.ts";
import { CHUNK_BYTES } from "./store/blob_store.ts";
import { MemoryBlobStore } from "./store/memory.ts";
import { openStock } from "./store/stock.ts";

/** A peer that fetches, and one that has a blob. */
async function scene() {
  const network = new MemoryNetwork(), closing = new AbortController();
  const reader = network.join(identity(0).peer), donor = network.join(identity(1).peer);
  const bytes = pattern(2 * CHUNK_BYTES), below = new MemoryBlobStore(), there = new MemoryBlobStore();
  const blob = { digest: await there.put(bytes), sizeBytes: bytes.length };
  serveBlobs(donor, there);
  await connectBoth(reader, donor);
  const store = await openStock(below, { mostBytes: Infinity, onSpared: () => {} });
  const clock = new ManualClock();
  const bringer = new Bringer({ transport: reader, store, clock, emit: () => {}, signal: closing.signal });
  return { bringer, blob, below, donors: [donor.peer] };
}

Deno.test("a blob that is also named with a false size is brought, and the false one fails alone", async () => {
  const { bringer, blob, donors } = await scene();
  const asked = [{ ...blob, sizeBytes: 1 }, blob, blob].map((wanted) => bringer.bring(wanted, { donors }));
  const [falsely, truly, again] = await Promise.all(asked);
  assert.match(falsely!, /it has 524288 bytes/);
  assert.deepEqual([truly, again], [null, null]);
});

Deno.test("a fetch that is stopped while it finishes has come to its end before its blob is deleted", async () => {
  const { bringer, blob, below, donors } = await scene();
  const finishing = Promise.withResolvers<void>(), gate = Promise.withResolvers<void>();
  const { partial } = below;
  below.partial = async (digest, sizeBytes) => {
    const inner = await partial.call(below, digest, sizeBytes);
    return {
      held: () => inner.held(),
      begin: (chunks) => inner.begin(chunks),
      write: (index, bytes) => inner.write(index, bytes),
      async finish() {
        finishing.resolve();
        await gate.promise;
        await inner.finish();
      },
    };
  };
  const brought = bringer.bring(blob, { donors });
  await finishing.promise;
  let isStopped = false;
  const stopped = bringer.stop(blob.digest).then(() => isStopped = true);
  for (let turn = 0; turn < 10; turn++) await Promise.resolve();
  assert.equal(isStopped, false);
  gate.resolve();
  await stopped;
  assert.equal(await brought, null);
  await below.delete(blob.digest);
  assert.deepEqual([await below.list(), await below.partials()], [[], []]);
});
