import { strict as assert } from "node:assert";
import { tinyRun } from "../tests/tiny_run.ts";
import type { Digest, Offer, PeerId } from "../p2p/sync/types.ts";
import type { PeerEvent } from "./event.ts";
import { planHost } from "./host_memory.ts";
import { peerEvents } from "./peer_events.ts";
import { emptyStatus, statusAfter } from "./status.ts";

const digest = "ab".repeat(32) as Digest, wren = "wren" as PeerId, finch = "finch" as PeerId;

/** What people hear, and what tells them. */
function scene() {
  const heard: PeerEvent[] = [];
  const contact = () => ({ addresses: [], ticket: null });
  const config = tinyRun(), hostMemory = planHost(config, 1);
  return { heard, ...peerEvents({ self: wren, config, hostMemory, contact, onEvent: (event) => heard.push(event) }) };
}

function offer(fields: Partial<Offer>): Offer {
  return {
    kind: "offer",
    run: digest,
    peer: finch,
    round: 3,
    parent: digest,
    lineage: 0,
    base: digest,
    blob: { digest, sizeBytes: 10 },
    tokens: 100,
    steps: 2,
    batch: 4,
    microBatch: 2,
    ranges: [{ start: 0, end: 4 }],
    loss: 2,
    heldOut: null,
    noise: null,
    speed: 50,
    computeMs: 0,
    idleMs: 0,
    waitMs: 0,
    transferMs: 0,
    nextMs: 2000,
    leaving: false,
    name: "finch",
    device: "cpu",
    ...fields,
  };
}

/** The shares of compute, wait and transfer that a member with this offer is shown with. */
function sharesOf(fields: Partial<Offer>): readonly number[] {
  const { heard, fromHost } = scene();
  fromHost({
    kind: "round",
    round: 3,
    head: digest,
    base: digest,
    tokens: 100,
    gained: 100,
    loss: 2,
    heldOut: null,
    counted: [{ offer: offer(fields), age: 0 }],
    roster: [finch],
    scribe: finch,
    weights: digest,
    roundMs: 2000,
    lineages: [{
      id: 0,
      from: [0],
      members: [finch],
      batch: { policy: "constant", request: 32, dealt: 32, noiseScale: 100, ceiling: 91, reason: "constant" },
    }],
    leading: 0,
    merged: null,
    encoding: { codec: "topk", kept: 128 },
  });
  const [round] = heard;
  assert.equal(round?.kind, "round");
  assert.equal(round.codec, "topk 128");
  const { computeShare, waitShare, transferShare } = round.members[0]!;
  return [computeShare, waitShare, transferShare];
}

Deno.test("a member that trained all the time shows so, though it waited for a head and fetched meanwhile", () => {
  assert.deepEqual(sharesOf({ computeMs: 2000, idleMs: 0, waitMs: 700, transferMs: 300 }), [1, 0, 0.15]);
});

Deno.test("a member throttled to half computes half of the time and waits for nothing", () => {
  assert.deepEqual(sharesOf({ computeMs: 1000, idleMs: 0, waitMs: 700 }), [0.5, 0, 0]);
});

Deno.test("a member without data shows the time it waited for some", () => {
  assert.deepEqual(sharesOf({ computeMs: 500, idleMs: 1400 }), [0.25, 0.7, 0]);
});

Deno.test("shares stay below one when a box was longer than the time between two offers", () => {
  assert.deepEqual(sharesOf({ computeMs: 2100, nextMs: 2000 }), [1, 0, 0]);
});

Deno.test("who left is told by name", () => {
  const { heard, fromHost } = scene();
  fromHost({ kind: "left", peer: finch, name: "finch", reason: "it said goodbye", round: 4 });
  const wanted: PeerEvent = {
    kind: "left",
    peer: finch,
    peerName: "finch",
    reason: "left in round 4: it said goodbye",
  };
  assert.deepEqual(heard, [wanted]);
});

Deno.test("whose work pulls against all others' is told, and kept in the status", () => {
  const { heard, fromHost } = scene();
  const about = { round: 4, peer: finch, cosine: -0.5, threshold: -0.02, dropped: true };
  fromHost({ kind: "screened", offer: digest, ...about });
  assert.deepEqual(heard, [{ kind: "screened", ...about }]);
  assert.deepEqual(statusAfter(emptyStatus, heard[0]!).screened, [about]);
});

Deno.test("what is dropped of a peer again and again for one reason is told once, until there is another", () => {
  const { heard, fromHost } = scene();
  const drop = (reason: string) => fromHost({ kind: "rejected", what: "offer", peer: finch, reason });
  for (const reason of ["it is stale", "it is stale", "it is copied", "it is stale"]) drop(reason);
  fromHost({ kind: "rejected", what: "offer", peer: wren, reason: "it is stale" });
  assert.deepEqual(
    heard.map((event) => event.kind === "rejected" ? `${event.peer}: ${event.reason}` : event.kind),
    ["finch: it is stale", "finch: it is copied", "finch: it is stale", "wren: it is stale"],
  );
});
