import { strict as assert } from "node:assert";
import { eventOf, identity } from "../../tests/conformance/transport.ts";
import { MemoryBlobStore } from "../store/memory.ts";
import type { BlobName, Digest } from "../sync/types.ts";
import { relayBlobs, serveBlobs } from "./blob_server.ts";
import { fetchBlob } from "./blobs.ts";
import { MemoryNetwork } from "./memory.ts";
import { serveRelay } from "./relay.ts";
import { relayedAddress, type RequestHandler, type Transport } from "./transport.ts";

const LIST_BYTES = 3 * 32 + 8;
const BYTES = new Uint8Array(600_000).map((_, i) => i * 31 % 251);

/** Wren between finch and robin, who cannot link to each other: finch has a blob, robin wants it. */
async function between() {
  const network = new MemoryNetwork();
  const [wren, finch, robin] = [0, 1, 2].map((n) => network.join(identity(n).peer)) as [
    Transport,
    Transport,
    Transport,
  ];
  network.cut(finch.peer, robin.peer);
  const met = eventOf(wren, "connected", robin.peer);
  await finch.connect(wren.addresses()[0]!);
  await robin.connect(wren.addresses()[0]!);
  await met;
  const linked = eventOf(finch, "connected", robin.peer);
  await robin.connect(relayedAddress(wren.peer, finch.peer));
  await linked;
  const stores = { wren: new MemoryBlobStore(), finch: new MemoryBlobStore(), robin: new MemoryBlobStore() };
  const blob: BlobName = { digest: await stores.finch.put(BYTES), sizeBytes: BYTES.length };
  return { wren, finch, robin, stores, blob };
}

/** Counts the bytes that a peer answers with. */
function counting(transport: Transport, count: (bytes: number) => void): Pick<Transport, "onRequest"> {
  return {
    onRequest: (name: string, handler: RequestHandler) =>
      transport.onRequest(name, async (from, request) => {
        const answer = await handler(from, request);
        count(answer?.length ?? 0);
        return answer;
      }),
  };
}

Deno.test("a blob comes through a peer in the middle, which counts its bytes and keeps none", async () => {
  const { wren, finch, robin, stores, blob } = await between();
  let relayedBytes = 0;
  serveBlobs(finch, stores.finch);
  relayBlobs(wren, serveBlobs(wren, stores.wren), {
    underWay: () => null,
    onRelayed: (bytes) => relayedBytes += bytes,
  });
  const fetched = await fetchBlob({ transport: robin, store: stores.robin }, blob, { donors: [finch.peer] });
  assert.deepEqual(fetched, { ok: true, dropped: [] });
  assert.deepEqual(await stores.robin.get(blob.digest), BYTES);
  assert.equal(relayedBytes, BYTES.length + LIST_BYTES);
  assert.deepEqual(await stores.wren.list(), []);
});

Deno.test("a relay that fetches a blob itself lets its reader wait, and the author sends it once", async () => {
  const { wren, finch, robin, stores, blob } = await between();
  let sentBytes = 0;
  serveBlobs(counting(finch, (bytes) => sentBytes += bytes), stores.finch);
  const underWay = new Map<Digest, Promise<unknown>>();
  relayBlobs(wren, serveBlobs(wren, stores.wren), {
    underWay: (digest) => underWay.get(digest) ?? null,
    onRelayed: () => {},
  });
  const own = fetchBlob({ transport: wren, store: stores.wren }, blob, { donors: [finch.peer] });
  underWay.set(blob.digest, own.then(() => underWay.delete(blob.digest)));
  const fetched = await fetchBlob({ transport: robin, store: stores.robin }, blob, { donors: [finch.peer] });
  await own;
  assert.ok(fetched.ok);
  assert.equal(sentBytes, BYTES.length + LIST_BYTES);
});

Deno.test("a peer that relays nothing is no donor's fault, and the fetch says why it failed", async () => {
  const { wren, finch, robin, stores, blob } = await between();
  serveBlobs(finch, stores.finch);
  serveBlobs(wren, stores.wren);
  const fetched = await fetchBlob({ transport: robin, store: stores.robin }, blob, { donors: [finch.peer] });
  assert.ok(!fetched.ok);
  assert.deepEqual(fetched.dropped, []);
  assert.match(fetched.reason, /does not have it/);
});

Deno.test("a relay refuses what is malformed, for the asker itself, for strangers, and in two hops", async () => {
  const { wren, finch, robin } = await between();
  const heard: string[] = [];
  finch.onRequest("blobs/1", (from) => {
    heard.push(from);
    return Promise.resolve(new Uint8Array([1]));
  });
  for (const transport of [wren, finch]) {
    serveRelay({ transport, name: "blobs/1", answer: () => Promise.resolve(null), onRelayed: () => {} });
  }
  const ask = (to: string, length = to.length) =>
    robin.request(
      wren.peer,
      "relay/1",
      new Uint8Array([length, ...new TextEncoder().encode(to), 0]),
    );
  assert.deepEqual(await ask(finch.peer), new Uint8Array([1]));
  assert.deepEqual(heard, [wren.peer], "the target hears the relay, not who stands behind it");
  for (const refused of [robin.peer, identity(7).peer, "nobody"]) await assert.rejects(ask(refused), /refused/);
  await assert.rejects(ask(finch.peer, 255), /refused/);
  await assert.rejects(robin.request(wren.peer, "relay/1", new Uint8Array()), /refused/);
  const wrenToFinch = new Uint8Array([robin.peer.length, ...new TextEncoder().encode(robin.peer), 0]);
  await assert.rejects(
    wren.request(finch.peer, "relay/1", wrenToFinch),
    /refused/,
    "finch has no direct link to robin",
  );
});

Deno.test("a relay passes on so many requests at once, and the others in turn", async () => {
  const { wren, finch, robin } = await between();
  const full = Promise.withResolvers<void>(), release = Promise.withResolvers<void>();
  let open = 0, most = 0;
  finch.onRequest("blobs/1", async () => {
    most = Math.max(most, ++open);
    if (open === 16) full.resolve();
    await release.promise;
    open--;
    return new Uint8Array([7]);
  });
  serveRelay({ transport: wren, name: "blobs/1", answer: () => Promise.resolve(null), onRelayed: () => {} });
  const request = new Uint8Array([finch.peer.length, ...new TextEncoder().encode(finch.peer), 0]);
  const answers = Array.from({ length: 40 }, () => robin.request(wren.peer, "relay/1", request));
  await full.promise;
  release.resolve();
  assert.equal((await Promise.all(answers)).length, 40);
  assert.equal(most, 16);
});
