/**
 * Four peers in a storm of kills, freezes and partitions: do they end on one state, and what of their work counts?
 *
 * What the storm does is told on standard error, with the seed that draws it again.
 * @module
 */
import { makeFlock } from "../tests/swarm/flock.ts";
import { storm } from "../tests/swarm/storm.ts";
import { tinyRun } from "../tests/tiny_run.ts";
import { deviceOf } from "./flock_device.ts";
import type { Bench } from "./line.ts";

const NAMES = ["wren", "finch", "robin", "heron"];
const config = tinyRun({ rounds: { firstMs: 2_000, leastMs: 2_000, longestMs: 10_000 } });

export const stormBench: Bench = {
  name: "storm",
  question: "what is left of a run after minutes of kill -9, SIGSTOP and partitions?",
  async *run({ minutes = 10, seed = 1 }) {
    await using flock = await makeFlock({ names: NAMES, config, flags: ["--throttle", "50"] });
    flock.names.forEach((name) => flock.start(name));
    const before = await flock.together();
    const startedAtMs = Date.now();
    const tell = (what: string) =>
      console.error(`storm ${seed}, ${((Date.now() - startedAtMs) / 1000).toFixed(1)} s: ${what}`);
    const { kill: kills, freeze: freezes, split: partitions } = await storm(flock, {
      seed,
      durationMs: minutes * 60_000,
      tell,
    });
    const { faults, record, offeredTokens, countedTokens } = await flock.audit(config.outer.lateRounds);
    yield {
      name: `${NAMES.length} peers`,
      device: deviceOf(flock),
      seed,
      minutes,
      kills,
      freezes,
      partitions,
      rounds: record.round - before.round,
      offeredTokens,
      countedTokens,
      countedShare: countedTokens / offeredTokens,
      faults: faults.length,
    };
    for (const reason of faults) yield { name: "fault", reason };
  },
};
