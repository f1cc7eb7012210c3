/**
 * Blobs over real connections and thin lines: what a peer hears while one comes to it, and how long one takes when half
 * of its donors die midway.
 *
 * The clock is the real one, so the bounds leave room for a busy machine: `p2p/net/blobs_lines_test.ts` holds the
 * tight ones, on a virtual clock. With `STARLING_FIGURES` set this prints what it measured.
 * @module
 */
import { strict as assert } from "node:assert";
import { serveBlobs } from "../../p2p/net/blob_server.ts";
import { fetchBlob, type FetchOptions } from "../../p2p/net/blobs.ts";
import { startLibp2p } from "../../p2p/net/libp2p.ts";
import type { Transport } from "../../p2p/net/transport.ts";
import { blobDigest } from "../../p2p/store/chunks.ts";
import { MemoryBlobStore } from "../../p2p/store/memory.ts";
import type { Digest } from "../../p2p/sync/types.ts";
import { pattern } from "../conformance/blob_store.ts";
import { identity } from "../conformance/transport.ts";
import { type Line, openLine } from "./shaper.ts";

const DELAY_MS = 20;
const BEAT_EVERY_MS = 40;
/** Beats heard before the blob is asked for. */
const QUIET_BEATS = 20;

/** A reader, and donors of the same bytes, each reached through the line of its place in the list. */
async function scene(stack: AsyncDisposableStack, { lines, sizeBytes }: { lines: readonly Line[]; sizeBytes: number }) {
  const bytes = pattern(sizeBytes), blob = { digest: await blobDigest(bytes), sizeBytes };
  const join = async (n: number): Promise<Transport> => {
    const listen = ["/ip4/127.0.0.1/tcp/0"], run = "7".repeat(64) as Digest;
    return stack.use(await startLibp2p({ identity: identity(n), run, listen, networkKey: null }));
  };
  const reader = await join(0), store = new MemoryBlobStore(), donors: Transport[] = [];
  for (const [i, line] of lines.entries()) {
    const donor = await join(i + 1), stored = new MemoryBlobStore();
    await stored.put(bytes);
    serveBlobs(donor, stored);
    donors.push(donor);
    const address = donor.addresses()[0]!, port = Number(/\/tcp\/(\d+)\//.exec(address)![1]);
    await reader.connect(address.replace(`/tcp/${port}/`, `/tcp/${line.forward(port)}/`));
  }
  const fetch = async (options: Partial<FetchOptions> = {}) => {
    const startMs = performance.now();
    const fetched = await fetchBlob({ transport: reader, store }, blob, {
      donors: donors.map(({ peer }) => peer),
      ...options,
    });
    assert.ok(fetched.ok, fetched.ok ? "" : fetched.reason);
    return performance.now() - startMs;
  };
  return { reader, donors, fetch };
}

Deno.test("beats come within half a second while a blob takes all of a line of 10 Mbit/s and 20 ms", async () => {
  await using line = openLine({ bitsPerSecond: 10e6, delayMs: DELAY_MS });
  await using stack = new AsyncDisposableStack();
  const sizeBytes = 3_000_000;
  const { reader, donors, fetch } = await scene(stack, { lines: [line, line, line], sizeBytes });
  let waitsMs: number[] = [], beats = 0;
  const sentAtMs = new Map<number, number>(), enough = Promise.withResolvers<void>();
  reader.onAnnouncement((beat) => {
    if (waitsMs.push(performance.now() - sentAtMs.get(beat[0]!)!) >= QUIET_BEATS) enough.resolve();
  });
  const heart = setInterval(() => {
    sentAtMs.set(beats % 250, performance.now());
    donors[beats % donors.length]!.announce(Uint8Array.of(beats++ % 250));
  }, BEAT_EVERY_MS);
  await enough.promise;
  const quietMs = share(0.9, waitsMs);
  waitsMs = [];
  const tookMs = await fetch().finally(() => clearInterval(heart));
  const [p50, p90, p99] = [0.5, 0.9, 0.99].map((part) => share(part, waitsMs));
  if (Deno.env.has("STARLING_FIGURES")) console.log({ tookMs, quietMs, p50, p90, p99, heard: waitsMs.length });
  assert.ok(
    p90! < 500 + 4 * quietMs,
    `of ${waitsMs.length} beats a tenth took over ${p90} ms, without bulk ${quietMs}`,
  );
  assert.ok(tookMs < 2 * 8e3 * sizeBytes / 10e6, `${tookMs} ms`);
});

Deno.test("a blob comes in hardly more than size over bandwidth although half of its donors go dead midway", async () => {
  await using stack = new AsyncDisposableStack();
  // The donors that are left are together as fast as the reader's line is meant to be.
  const lines = [0, 1, 2, 3].map(() => stack.use(openLine({ bitsPerSecond: 8e6, delayMs: DELAY_MS })));
  const sizeBytes = 6_000_000, idealMs = 8e3 * sizeBytes / 16e6;
  const { fetch } = await scene(stack, { lines, sizeBytes });
  const tookMs = await fetch({
    onProgress: (heldBytes) => {
      if (heldBytes < sizeBytes / 2) return;
      lines[0]!.setDead(true); // the reader is not told
      lines[1]!.reset();
    },
  });
  if (Deno.env.has("STARLING_FIGURES")) console.log({ tookMs, idealMs });
  assert.ok(tookMs <= 1.8 * idealMs, `${tookMs} ms of ${idealMs}`);
});

/** The value below which this share of the values lies. */
function share(part: number, values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(part * values.length)]!;
}
