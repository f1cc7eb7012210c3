/**
 * A whole peer for tests: a real host with stores in memory and a stub for a learner, looked at from outside.
 * @module
 */
import { runIdOf } from "../p2p/genesis.ts";
import { type Host, type HostOptions, startHost } from "../p2p/host.ts";
import type { HostEvent } from "../p2p/host_event.ts";
import type { Transport } from "../p2p/net/transport.ts";
import type { BlobStore } from "../p2p/store/blob_store.ts";
import { blobDigest } from "../p2p/store/chunks.ts";
import { type Journal, MemoryJournal } from "../p2p/store/journal.ts";
import { MemoryBlobStore } from "../p2p/store/memory.ts";
import type { Digest } from "../p2p/sync/types.ts";
import { identity } from "./conformance/transport.ts";
import { ManualClock } from "./manual_clock.ts";
import { openStubLearner, type StubLearner } from "./stub_learner.ts";
import { tinyRules } from "./tiny_rules.ts";

export const genesis = new TextEncoder().encode(`{"name":"club"}`);
/** A blob of the run itself. */
export const shard = await blobDigest(new Uint8Array(20));
export const contextLength = 16;
export const rules = tinyRules({
  run: await runIdOf(genesis),
  firstRoundMs: 2000,
  leastRoundMs: 1000,
  longestRoundMs: 10_000,
  batch: 8,
  contextLength,
});

/** What a peer's disk and memory hold, so that it can be started again. */
export interface StubPeer {
  readonly host: Host;
  readonly events: HostEvent[];
  readonly store: BlobStore;
  readonly journal: Journal;
  readonly learner: StubLearner;
  readonly transport: Transport;
}

/** Starts the peer with the key `identity(n)`; the first begins the run. */
export async function startStubPeer(
  n: number,
  transport: Transport,
  options: Partial<HostOptions> & Pick<HostOptions, "clock">,
): Promise<StubPeer> {
  const events: HostEvent[] = [], store = new MemoryBlobStore(), journal = new MemoryJournal();
  const learner = openStubLearner({ contextLength, pull: 0.1 + n / 100 });
  const all: HostOptions = {
    identity: identity(n),
    rules,
    genesis,
    runBlobs: [shard],
    found: n === 0,
    addresses: [],
    name: `peer ${n}`,
    device: "stub",
    transport,
    store,
    journal,
    learner,
    onEvent: (event) => events.push(event),
    ...options,
  };
  const host = await startHost(all);
  if (all.clock instanceof ManualClock) all.clock.watch(`Peer ${n}`, host.ended);
  return { host, events, learner, transport, store: all.store, journal: all.journal };
}

/** State digests by round, as a peer has told them; the last word holds. */
export function basesOf({ events }: Pick<StubPeer, "events">): Map<number, Digest> {
  const found = new Map<number, Digest>();
  for (const event of events) if (event.kind === "round") found.set(event.round, event.base);
  return found;
}

/** The round that a peer stands on; -1 before it has a state. */
export function roundOf({ host }: Pick<StubPeer, "host">): number {
  return host.status().chain?.round ?? -1;
}

/** Why messages to this peer were refused, in order. */
export function refusalsOf({ events }: Pick<StubPeer, "events">): string[] {
  return events.flatMap((event) => event.kind === "message refused" ? [event.reason] : []);
}

/** Whether all have told the same state for this round. */
export function agree(peers: readonly Pick<StubPeer, "events">[], at: number): boolean {
  const [first, ...others] = peers.map((peer) => basesOf(peer).get(at));
  return first !== undefined && others.every((base) => base === first);
}
