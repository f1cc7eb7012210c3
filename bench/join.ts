/**
 * How long does a newcomer's run data take over a line of known speed, when half of those who give it die on the way?
 *
 * One is what the line alone allows; the time counts from the first bytes.
 * @module
 */
import { makeFlock } from "../tests/swarm/flock.ts";
import { joinUnderFire, runWithText } from "../tests/swarm/join.ts";
import type { Bench } from "./line.ts";

const DONORS = ["wren", "finch", "robin", "heron"], NEWCOMER = "snail";
const TEXT_BYTES = 16_000_000, BITS_PER_SECOND = 20e6;

export const joinBench: Bench = {
  name: "join",
  question: `what does it cost a newcomer that half of ${DONORS.length} donors are killed?`,
  async *run() {
    for (const victims of [[], ["wren", "heron"]]) {
      await using flock = await makeFlock({
        names: [...DONORS, NEWCOMER],
        config: runWithText(TEXT_BYTES),
        lines: { [NEWCOMER]: { bitsPerSecond: BITS_PER_SECOND, delayMs: 10 } },
        flags: ["--throttle", "20"],
      });
      DONORS.forEach((name) => flock.start(name));
      const { sizeBytes, receivedBytes, fetchMs } = await joinUnderFire(flock, NEWCOMER, victims);
      yield {
        name: `${victims.length} of ${DONORS.length} donors killed`,
        device: `a line of ${BITS_PER_SECOND / 1e6} Mbit/s`,
        megabytes: sizeBytes / 1e6,
        seconds: fetchMs / 1000,
        timesTheLinesTime: fetchMs / 1000 / (sizeBytes * 8 / BITS_PER_SECOND),
        timesTheBytes: receivedBytes / sizeBytes,
      };
    }
  },
};
