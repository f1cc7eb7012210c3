/**
 * Control before bulk, over real connections: what a peer hears while a blob comes to it over a thin line.
 * @module
 */
import { strict as assert } from "node:assert";
import type { Digest } from "../../p2p/sync/types.ts";
import { serveBlobs } from "../../p2p/net/blob_server.ts";
import { fetchBlob } from "../../p2p/net/blobs.ts";
import { startLibp2p } from "../../p2p/net/libp2p.ts";
import type { Transport } from "../../p2p/net/transport.ts";
import { blobDigest } from "../../p2p/store/chunks.ts";
import { MemoryBlobStore } from "../../p2p/store/memory.ts";
import { pattern } from "../conformance/blob_store.ts";
import { identity } from "../conformance/transport.ts";
import { openLine } from "./shaper.ts";

const BITS_PER_SECOND = 10e6, DELAY_MS = 20;
const BEAT_EVERY_MS = 40;
const DONORS = 3;
const bytes = pattern(3_000_000);

Deno.test("beats come within half a second while a blob takes all of a line of 10 Mbit/s and 20 ms", async () => {
  await using line = openLine({ bitsPerSecond: BITS_PER_SECOND, delayMs: DELAY_MS });
  await using stack = new AsyncDisposableStack();
  const join = async (n: number): Promise<Transport> =>
    stack.use(
      await startLibp2p({
        identity: identity(n),
        run: "7".repeat(64) as Digest,
        listen: ["/ip4/127.0.0.1/tcp/0"],
        networkKey: null,
      }),
    );
  const reader = await join(0), store = new MemoryBlobStore(), donors: Transport[] = [];
  for (let n = 1; n <= DONORS; n++) {
    const donor = await join(n), stored = new MemoryBlobStore();
    await stored.put(bytes);
    serveBlobs(donor, stored);
    donors.push(donor);
    const [address] = donor.addresses();
    const port = Number(/\/tcp\/(\d+)\//.exec(address!)![1]);
    await reader.connect(address!.replace(`/tcp/${port}/`, `/tcp/${line.forward(port)}/`));
  }

  const waitsMs: number[] = [], sentAtMs = new Map<number, number>();
  reader.onAnnouncement((beat) => waitsMs.push(performance.now() - sentAtMs.get(beat[0]!)!));
  let beats = 0;
  const heart = setInterval(() => {
    sentAtMs.set(beats % 250, performance.now());
    donors[beats % DONORS]!.announce(Uint8Array.of(beats++ % 250));
  }, BEAT_EVERY_MS);
  const blob = { digest: await blobDigest(bytes), sizeBytes: bytes.length };
  const startMs = performance.now();
  const fetched = await fetchBlob({ transport: reader, store }, blob, { donors: donors.map(({ peer }) => peer) });
  const tookMs = performance.now() - startMs;
  clearInterval(heart);
  assert.equal(fetched.ok, true);
  waitsMs.sort((a, b) => a - b);
  const p99 = waitsMs[Math.floor(0.99 * waitsMs.length)]!;
  if (Deno.env.has("STARLING_FIGURES")) {
    console.log({ tookMs, p50: waitsMs[waitsMs.length >> 1], p99, beats, heard: waitsMs.length });
  }
  assert.ok(p99 < 500, `p99 of ${waitsMs.length} beats: ${p99} ms`);
  assert.ok(tookMs < 1.4 * 8e3 * bytes.length / BITS_PER_SECOND + 1000, `${tookMs} ms`);
});
