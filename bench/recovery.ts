/**
 * How soon is a peer of the demo's run back that was killed while it trained? Seconds count from its new start.
 * @module
 */
import { makeFlock } from "../tests/swarm/flock.ts";
import { killAndReturn } from "../tests/swarm/recovery.ts";
import { demoConfig } from "./demo_flock.ts";
import { deviceOf } from "./flock_device.ts";
import type { Bench } from "./line.ts";

const TIMES = 3;

export const recoveryBench: Bench = {
  name: "recovery",
  question: "how soon is a peer of the demo's run counted again after kill -9?",
  async *run() {
    await using flock = await makeFlock({ names: ["wren", "finch", "robin"], config: await demoConfig("recovery") });
    flock.names.forEach((name) => flock.start(name));
    for (let time = 1; time <= TIMES; time++) {
      const { returned, counted, stateMs, connectedMs, countedMs } = await killAndReturn(flock, "finch");
      yield {
        name: "killed and started again",
        device: deviceOf(flock),
        round: time,
        stateSeconds: stateMs / 1000,
        connectedSeconds: connectedMs / 1000,
        countedSeconds: countedMs / 1000,
        // 1 is the round that was under way when it met the others.
        countedInRound: counted.round - returned.round,
      };
    }
  },
};
