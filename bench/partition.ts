/**
 * Four peers of the demo's run are cut into two pairs, both go on training, and meet again: what is lost by it?
 * @module
 */
import { makeFlock } from "../tests/swarm/flock.ts";
import { partAndMeet } from "../tests/swarm/partition.ts";
import { demoConfig } from "./demo_flock.ts";
import { deviceOf } from "./flock_device.ts";
import type { Bench } from "./line.ts";

const SIDES = [["wren", "finch"], ["robin", "heron"]] as const;
const ROUNDS = 5;

export const partitionBench: Bench = {
  name: "partition",
  question: `what do two pairs that trained apart for ${ROUNDS} rounds keep when they meet?`,
  async *run() {
    for (const partition of ["reset", "silent"] as const) {
      const config = await demoConfig("partition");
      await using flock = await makeFlock({ names: SIDES.flat(), config });
      flock.names.forEach((name) => flock.start(name));
      const reunion = await partAndMeet(flock, { sides: SIDES, rounds: ROUNDS, partition });
      const { together, sides: [left, right], heldOut, one, healedMs, kept, heldOutAfter } = reunion;
      const { faults } = await flock.audit(config.outer.lateRounds);
      yield {
        name: partition,
        device: deviceOf(flock),
        leftRounds: left.round - together.round,
        rightRounds: right.round - together.round,
        roundsToOneHead: one.round - Math.max(left.round, right.round),
        secondsToOneHead: healedMs / 1000,
        sidesKept: kept.filter((isKept) => isKept).length,
        leftTokens: left.tokens - together.tokens,
        rightTokens: right.tokens - together.tokens,
        tokensAfter: one.tokens - together.tokens,
        heldOutLeft: heldOut[0],
        heldOutRight: heldOut[1],
        heldOutAfter,
        faults: faults.length,
      };
      for (const reason of faults) yield { name: "fault", run: partition, reason };
    }
  },
};
