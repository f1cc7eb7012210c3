/**
 * How long does an announcement take to reach every peer, and how many bytes does that take? Real libp2p over TCP on
 * loopback, all peers in this one process, so that they share a core: with more machines it is faster.
 *
 * Each peer dials a few that came before it, as newcomers do, so most are reached through others. Times and bytes come
 * from two networks of one shape: in the second every link goes through a proxy that counts, which takes time.
 * @module
 */
import { identityFromSeed } from "../p2p/identity.ts";
import { startLibp2p } from "../p2p/net/libp2p.ts";
import { LARGEST_ANNOUNCEMENT_BYTES, type Transport } from "../p2p/net/transport.ts";
import type { Digest } from "../p2p/sync/types.ts";
import { chance } from "../tests/chance.ts";
import { openLine } from "../tests/net/shaper.ts";
import type { Bench, BenchLine } from "./line.ts";

const PEER_COUNTS = [8, 32], SIZES_BYTES = [1024, LARGEST_ANNOUNCEMENT_BYTES];
/** Earlier peers that a newcomer dials. */
const DIALS = 3;
/** Announcements that are timed, one after the other, each from another peer. */
const ANNOUNCEMENTS = 20;
/** Until the meshes have formed: gossip looks at them once a second. */
const SETTLE_MS = 3000;
const LONGEST_MS = 10_000;
const RUN = "ab".repeat(32) as Digest;

export const gossipBench: Bench = {
  name: "gossip",
  question: "How long does an announcement take to reach every peer, and how many bytes?",
  async *run() {
    for (const peerCount of PEER_COUNTS) {
      await using direct = await openNetwork(peerCount, false);
      await using counted = await openNetwork(peerCount, true);
      for (const sizeBytes of SIZES_BYTES) yield await measure({ direct, counted, peerCount, sizeBytes });
    }
  },
};

interface Network extends AsyncDisposable {
  readonly peers: readonly Transport[];
  /** Resolves with how many others have heard of it when all have, or with how many did in time. */
  announce(from: Transport, bytes: Uint8Array): Promise<number>;
  /** Bytes that went through all links, if they are counted. */
  passedBytes(): number;
}

async function measure({ direct, counted, peerCount, sizeBytes }: {
  readonly direct: Network;
  readonly counted: Network;
  readonly peerCount: number;
  readonly sizeBytes: number;
}): Promise<BenchLine> {
  const times: number[] = [];
  let heard = 0;
  await announceAll(direct, sizeBytes, (count, ms) => {
    times.push(ms);
    heard += count;
  });
  const before = counted.passedBytes();
  await announceAll(counted, sizeBytes, () => {});
  const bytes = (counted.passedBytes() - before) / ANNOUNCEMENTS / (peerCount - 1);
  times.sort((a, b) => a - b);
  return {
    name: `${sizeBytes / 1024} KiB to all of ${peerCount} peers`,
    device: "libp2p over TCP on loopback, one process",
    medianMs: times[ANNOUNCEMENTS >> 1]!,
    mostMs: times.at(-1)!,
    heardShare: heard / ANNOUNCEMENTS / (peerCount - 1),
    wireBytesPerPeer: Math.round(bytes),
    timesTheBytes: bytes / sizeBytes,
  };
}

async function announceAll(
  network: Network,
  sizeBytes: number,
  onHeard: (count: number, ms: number) => void,
): Promise<void> {
  for (let i = 0; i < ANNOUNCEMENTS; i++) {
    const startedAtMs = performance.now();
    const bytes = crypto.getRandomValues(new Uint8Array(sizeBytes)); // no two alike: gossip drops what it knows
    onHeard(await network.announce(network.peers[i % network.peers.length]!, bytes), performance.now() - startedAtMs);
  }
}

async function openNetwork(peerCount: number, isCounted: boolean): Promise<Network> {
  await using stack = new AsyncDisposableStack();
  const line = isCounted ? stack.use(openLine({ bitsPerSecond: 1e12, delayMs: 0 })) : null;
  const { next } = chance(peerCount), peers: Transport[] = [];
  let onHeard = (_peer: Transport, _bytes: Uint8Array): void => {};
  for (let n = 0; n < peerCount; n++) {
    const identity = identityFromSeed(new Uint8Array(32).fill(n + 1));
    const listen = ["/ip4/127.0.0.1/tcp/0"];
    const peer = stack.use(await startLibp2p({ identity, run: RUN, listen, networkKey: null }));
    peer.onAnnouncement((bytes) => onHeard(peer, bytes));
    const earlier = peers.map((other) => ({ other, order: next() })).sort((a, b) => a.order - b.order);
    for (const { other } of earlier.slice(0, DIALS)) {
      const address = other.addresses()[0]!;
      await peer.connect(
        line === null ? address : address.replace(/\/tcp\/(\d+)/, (_, port) => `/tcp/${line.forward(Number(port))}`),
      );
    }
    peers.push(peer);
  }
  await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
  const resources = stack.move();
  return {
    peers,
    async announce(from, bytes) {
      const heard = new Set<Transport>(), { promise, resolve } = Promise.withResolvers<void>();
      onHeard = (peer, { length, [0]: first, [1]: second }) => {
        if (length !== bytes.length || first !== bytes[0] || second !== bytes[1]) return; // one that came late
        heard.add(peer);
        if (heard.size === peerCount - 1) resolve();
      };
      const timer = setTimeout(resolve, LONGEST_MS);
      from.announce(bytes);
      await promise;
      clearTimeout(timer);
      return heard.size;
    },
    passedBytes: () => line === null ? 0 : line.passed.there + line.passed.back,
    [Symbol.asyncDispose]: () => resources[Symbol.asyncDispose](),
  };
}
