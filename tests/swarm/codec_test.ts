/**
 * Peers that contribute sparsely, with real learners over a network in memory: one digest, less loss, few bytes.
 * @module
 */
import { strict as assert } from "node:assert";
import { AUTHOR_BYTES } from "../../p2p/authorship.ts";
import { identityFromSeed } from "../../p2p/identity.ts";
import { MemoryNetwork } from "../../p2p/net/memory.ts";
import { MemoryJournal } from "../../p2p/store/journal.ts";
import { MemoryBlobStore } from "../../p2p/store/memory.ts";
import type { PeerEvent } from "../../runtime/event.ts";
import { startPeer } from "../../runtime/peer.ts";
import { topk } from "../../runtime/state/codec/topk.ts";
import { weightsLayout } from "../../runtime/state/weights.ts";
import { tinyRun } from "../tiny_run.ts";

type Round = Extract<PeerEvent, { kind: "round" }>;

const ROUNDS = 4;

/** Remembers the sizes of what is stored. */
class SizedBlobStore extends MemoryBlobStore {
  readonly sizes: number[] = [];

  override put(bytes: Uint8Array<ArrayBuffer>) {
    this.sizes.push(bytes.length);
    return super.put(bytes);
  }
}

Deno.test("two peers that contribute sparsely fold to one digest every round, and learn", async () => {
  const base = tinyRun(),
    config = tinyRun({
      outer: { ...base.outer, codec: "topk" },
      rounds: { firstMs: 1000, leastMs: 1000, longestMs: 2000 },
    });
  const network = new MemoryNetwork(), identities = [1, 2].map((n) => identityFromSeed(new Uint8Array(32).fill(n)));
  const rounds: Map<number, Round>[] = [new Map(), new Map()], over = Promise.withResolvers<void>();
  const stores = [new SizedBlobStore(), new SizedBlobStore()];
  await using peers = new AsyncDisposableStack();
  for (const [i, identity] of identities.entries()) {
    peers.use(
      await startPeer({
        config,
        name: `peer ${i}`,
        identity,
        transport: network.join(identity.peer),
        blobs: stores[i]!,
        journal: new MemoryJournal(),
        networkKey: null,
        addresses: i === 0 ? [] : [`/memory/${identities[0]!.peer}`],
        device: "cpu",
        threads: 1,
        throttle: 30,
        onEvent(event) {
          if (event.kind === "mismatch") over.reject(new Error(event.reason));
          if (event.kind !== "round") return;
          rounds[i]!.set(event.round, event);
          if (rounds.every((heard) => [...heard.values()].filter(({ peers }) => peers === 2).length >= ROUNDS)) {
            over.resolve();
          }
        },
      }),
    );
  }
  await over.promise;
  const [first, second] = rounds as [Map<number, Round>, Map<number, Round>];
  for (const [round, { digest, codec }] of second) {
    assert.equal(first.get(round)?.digest ?? digest, digest, `round ${round}`);
    assert.equal(codec, "topk 512");
  }
  const losses = [...first.values()].flatMap(({ loss }) => loss === null ? [] : [loss]);
  assert.ok(losses.at(-1)! < losses[0]! - 0.2, `${losses}`);
  const wanted = AUTHOR_BYTES + topk(512).sizeBytes(weightsLayout(config).parameterWords);
  for (const { sizes } of stores) assert.ok(sizes.includes(wanted), `${sizes}, wanted ${wanted}`);
});
