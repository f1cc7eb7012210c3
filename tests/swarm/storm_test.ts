/**
 * Four real peers in a storm of kills, freezes and partitions. Long ones: `deno task bench --only storm`.
 * @module
 */
import { strict as assert } from "node:assert";
import { tinyRun } from "../tiny_run.ts";
import { withFlock } from "./flock.ts";
import { storm } from "./storm.ts";

const SEED = Number(Deno.env.get("STARLING_STORM_SEED") ?? 1), DURATION_MS = 20_000;
const names = ["wren", "finch", "robin", "heron"];

Deno.test("four peers in a storm end on one state, and every trained window is accounted for", async () => {
  await withFlock({ names, flags: ["--throttle", "25"] }, async (flock) => {
    names.forEach((name) => flock.start(name));
    await flock.together();
    const tale: string[] = [];
    const startMs = Date.now();
    const tell = (what: string) => void tale.push(`${((Date.now() - startMs) / 1000).toFixed(1)} s  ${what}`);
    try {
      await storm(flock, { seed: SEED, durationMs: DURATION_MS, tell });
      assert.deepEqual((await flock.audit(tinyRun().outer.lateRounds)).faults, []);
    } catch (error) {
      console.error(`storm of seed ${SEED}; again with STARLING_STORM_SEED=${SEED}\n${tale.join("\n")}`);
      throw error;
    }
  });
});
