/**
 * A flock that is cut in two, trains on both sides and meets again: one history with the work of both.
 * @module
 */
import { strict as assert } from "node:assert";
import { tinyRun } from "../tiny_run.ts";
import { withFlock } from "./flock.ts";
import { partAndMeet } from "./partition.ts";

const sides = [["wren", "finch"], ["robin", "heron"]] as const;
const { lateRounds } = tinyRun().outer;
/** Held-out loss, in nats per token, by which two states of this run differ that follow each other. */
const JITTER = 0.01;

Deno.test("two halves that trained apart for S + 2 rounds become one history within three rounds, with both sides' work", async () => {
  await withFlock({ names: sides.flat(), flags: ["--throttle", "25"] }, async (flock) => {
    flock.names.forEach((name) => flock.start(name));
    const reunion = await partAndMeet(flock, { sides, rounds: lateRounds + 2, partition: "reset" });
    const [left, right] = reunion.sides;
    assert.notEqual(left.head, right.head, "the sides went different ways");
    const met = Math.max(left.round, right.round);
    assert.ok(reunion.one.round <= met + 3, `one head at record ${reunion.one.round}, ${met} when the sides met`);
    assert.deepEqual(reunion.kept, [true, true], "the history has the records of both sides");
    assert.deepEqual((await flock.audit(lateRounds)).faults, []);
    const better = Math.min(...reunion.heldOut);
    assert.ok(reunion.heldOutAfter <= better + JITTER, `${reunion.heldOutAfter} nats, and ${better} before`);
  });
});
