/**
 * Four peers of the demo's run, each behind a thin and distant line: what share of their time do they compute?
 *
 * The lines are proxies in this process (`tests/net/shaper.ts`). Shares are of the time between a peer's offers, from
 * the offers that the run counted. Where fewer cores than peers are at work, they share them all the same.
 * @module
 */
import { ancestry } from "../tests/swarm/chronicle.ts";
import { makeFlock } from "../tests/swarm/flock.ts";
import type { Digest, Offer } from "../p2p/sync/types.ts";
import { demoConfig } from "./demo_flock.ts";
import { deviceOf } from "./flock_device.ts";
import type { Bench, BenchLine } from "./line.ts";

const NAMES = ["wren", "finch", "robin", "heron"];
const MBIT_PER_SECOND = 10;
/** One way, between any two of them: each line brings half. */
const DELAY_MS = 20;
/** Rounds in which peers are still joining, and measure their speed and their lines. */
const SETTLING_ROUNDS = 3;

export const wanBench: Bench = {
  name: "wan",
  question: `do ${NAMES.length} peers behind lines of ${MBIT_PER_SECOND} Mbit/s and ${DELAY_MS} ms compute or wait?`,
  async *run({ minutes = 5 }) {
    const line = { bitsPerSecond: MBIT_PER_SECOND * 1e6, delayMs: DELAY_MS / 2 };
    const config = await demoConfig("wan");
    await using flock = await makeFlock({
      names: NAMES,
      config,
      lines: Object.fromEntries(NAMES.map((name) => [name, line])),
    });
    flock.names.forEach((name) => flock.start(name));
    const together = await flock.together();
    const endsAtMs = Date.now() + minutes * 60_000;
    while (Date.now() < endsAtMs) await flock.happens(["round"], NAMES);
    const { record, faults } = await flock.audit(config.outer.lateRounds);

    const chronicle = await flock.chronicle(), history = ancestry(chronicle, record.head as Digest);
    const counted = [...history.values()].flatMap((round) => round.counted)
      .map(({ offer }) => chronicle.offers.get(offer)!)
      .filter(({ blob, round }) => blob !== null && round > together.round + SETTLING_ROUNDS);
    const shares: BenchLine[] = [];
    for (const name of NAMES) {
      const offers = counted.filter(({ peer }) => peer === flock.peer(name)), passed = flock.passed(name)!;
      shares.push({
        name,
        device: deviceOf(flock),
        offers: offers.length,
        tokens: sumOf(offers, "tokens"),
        computeShare: sumOf(offers, "computeMs") / sumOf(offers, "nextMs"),
        idleShare: sumOf(offers, "idleMs") / sumOf(offers, "nextMs"),
        transferShare: sumOf(offers, "transferMs") / sumOf(offers, "nextMs"),
        sentMegabytes: passed.there / 1e6,
        receivedMegabytes: passed.back / 1e6,
      });
    }
    yield* shares;
    yield {
      name: `${NAMES.length} peers`,
      device: deviceOf(flock),
      minutes,
      mbitPerSecond: MBIT_PER_SECOND,
      delayMs: DELAY_MS,
      rounds: record.round,
      roundSeconds: record.roundMs / 1000,
      tokens: record.tokens,
      leastComputeShare: Math.min(...shares.map(({ computeShare }) => Number(computeShare))),
      faults: faults.length,
    };
  },
};

function sumOf(offers: readonly Offer[], what: "tokens" | "computeMs" | "idleMs" | "transferMs" | "nextMs"): number {
  return offers.reduce((sum, offer) => sum + offer[what], 0);
}
