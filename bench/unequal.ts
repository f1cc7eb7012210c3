/**
 * Do unequal peers wait for each other? Four peers in one process, with threads of their own, whose throttles make them
 * as fast as 8 : 4 : 2 : 1, train a tiny model for a minute over a network in memory. Offers say how each spent its time.
 *
 * They are throttled so far that they leave a core free: a machine that is busy makes peers slow, not idle, but its
 * scheduling is in the figures of what follows a round.
 * @module
 */
import { identityFromSeed } from "../p2p/identity.ts";
import { MemoryNetwork } from "../p2p/net/memory.ts";
import { MemoryJournal } from "../p2p/store/journal.ts";
import { MemoryBlobStore } from "../p2p/store/memory.ts";
import type { MemberRound } from "../runtime/event.ts";
import { startPeer } from "../runtime/peer.ts";
import { tinyRun } from "../tests/tiny_run.ts";
import type { Bench, BenchLine } from "./line.ts";

const PEERS = [["swift", 40], ["finch", 20], ["wren", 10], ["snail", 5]] as const;
const ROUND_MS = 4_000;
/** Rounds in which all are known and measured, after the first ones in which they join. */
const FIRST_ROUND = 4, LAST_ROUND = 19;

export const unequalBench: Bench = {
  name: "unequal",
  question: "how much of the time do peers of speeds 8 : 4 : 2 : 1 wait?",
  async *run(): AsyncIterable<BenchLine> {
    const { offers, rounds, wallMs } = await train();
    for (const [name, percent] of PEERS) {
      const own = offers.filter((member) => member.name === name);
      const mean = (of: (member: MemberRound) => number) =>
        Number((own.reduce((sum, member) => sum + of(member), 0) / Math.max(1, own.length)).toFixed(4));
      yield {
        name: `peer at ${percent} %`,
        tokensPerSecond: Math.round(mean(({ speed }) => speed)),
        batch: Math.round(mean(({ batch }) => batch)),
        steps: mean(({ steps }) => steps),
        computeShare: mean(({ computeShare }) => computeShare),
        waitShare: mean(({ waitShare }) => waitShare),
        transferShare: mean(({ transferShare }) => transferShare),
        offers: own.length,
        lateOffers: own.filter(({ fate }) => fate.includes("late")).length,
        rounds,
        meanRoundMs: Math.round(wallMs / rounds),
      };
    }
  },
};

/** Every offer that the measured rounds counted. */
async function train(): Promise<{ readonly offers: MemberRound[]; readonly rounds: number; readonly wallMs: number }> {
  const config = tinyRun({ rounds: { firstMs: ROUND_MS, leastMs: ROUND_MS, longestMs: 4 * ROUND_MS } });
  const network = new MemoryNetwork(), offers: MemberRound[] = [], over = Promise.withResolvers<void>();
  let sinceMs = 0, untilMs = 0;
  const identities = PEERS.map((_, i) => identityFromSeed(new Uint8Array(32).fill(i + 1)));
  const start = async (i: number) => {
    const [name, throttle] = PEERS[i]!, identity = identities[i]!;
    return await startPeer({
      config,
      name,
      identity,
      transport: network.join(identity.peer),
      blobs: new MemoryBlobStore(),
      journal: new MemoryJournal(),
      networkKey: null,
      addresses: i === 0 ? [] : [`/memory/${identities[0]!.peer}`],
      device: "cpu",
      threads: 1,
      throttle,
      onEvent(event) {
        if (i !== 0 || event.kind !== "round") return;
        if (event.round === FIRST_ROUND) sinceMs = performance.now();
        if (event.round > FIRST_ROUND && event.round <= LAST_ROUND) offers.push(...event.members);
        if (event.round !== LAST_ROUND) return;
        untilMs = performance.now();
        over.resolve();
      },
    });
  };
  await using _peers = new AsyncDisposableStack();
  for (const i of PEERS.keys()) _peers.use(await start(i));
  await over.promise;
  return { offers, rounds: LAST_ROUND - FIRST_ROUND, wallMs: untilMs - sinceMs };
}
