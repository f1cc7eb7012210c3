/**
 * A flock that is cut in two, trains on both sides and meets again: one history with the work of both.
 * @module
 */
import { strict as assert } from "node:assert";
import type { Digest } from "../../p2p/sync/types.ts";
import { tinyRun } from "../tiny_run.ts";
import { ancestry } from "./chronicle.ts";
import { agreement, type Flock, withFlock } from "./flock.ts";

const names = ["wren", "finch", "robin", "heron"];
const [left, right] = [["wren", "finch"], ["robin", "heron"]] as const;
const { lateRounds } = tinyRun().outer;

Deno.test("two halves that trained apart for S + 2 rounds become one history within three rounds, with both sides' work", async () => {
  await withFlock({ names, flags: ["--throttle", "25"] }, async (flock) => {
    names.forEach((name) => flock.start(name));
    const [together] = await agreement(flock.seats(), ({ peers }) => peers === names.length);

    flock.split([left, right], "silent");
    const apart = together.round + lateRounds + 2;
    await Promise.all(
      names.map((name) => flock.seat(name).round(({ round, heldOut }) => round >= apart && heldOut !== null)),
    );
    const before = names.map((name) => flock.seat(name).rounds().at(-1)!);
    assert.notEqual(before[0]!.head, before[2]!.head, "the sides went different ways");

    console.log(together.round, before.map((r) => [r.round, r.heldOut, r.tokens, r.peers]));
    flock.heal();
    const healedAt = Math.max(...before.map(({ round }) => round));
    const [same] = await agreement(flock.seats(), ({ round }) => round > healedAt);
    console.log(together.round, before.map((r) => [r.round, r.heldOut, r.tokens]), same.round, same.tokens);
    assert.ok(same.round <= healedAt + 3, `one head at record ${same.round}, after ${healedAt} when the sides met`);

    const history = await historyOf(flock, same.head as Digest);
    for (const { round, head } of before) {
      assert.ok(history.has(head as Digest), `record ${round} of one side is in it`);
    }
    const faults = await flock.audit(lateRounds);
    assert.deepEqual(faults, []);
  });
});

async function historyOf(flock: Flock, head: Digest) {
  return ancestry(await flock.chronicle(), head);
}
