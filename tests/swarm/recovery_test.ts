/**
 * Peers that die and come back: real processes, killed at a moment of the protocol and not of the clock.
 * @module
 */
import { strict as assert } from "node:assert";
import { tinyRun } from "../tiny_run.ts";
import { withFlock } from "./flock.ts";
import { counts, killAndReturn } from "./recovery.ts";

const flags = ["--throttle", "30"];
const { lateRounds } = tinyRun().outer;

Deno.test("a peer killed with its work unfinished is counted again in the round after next", async () => {
  await withFlock({ names: ["wren", "finch", "robin"], flags }, async (flock) => {
    flock.names.forEach((name) => flock.start(name));
    const { together, returned, counted } = await killAndReturn(flock, "finch");
    assert.ok(flock.seat("finch").rounds()[0]!.round >= together.round, "it went on from what it had");
    // The round under way when it came back, the next one, and the one after that.
    assert.ok(counted.round <= returned.round + 3, `back in record ${counted.round}, it met ${returned.round}`);
    assert.deepEqual((await flock.audit(lateRounds)).faults, []);
  });
});

Deno.test("after all were killed, any one alone goes on from the state it had, and the others find it", async () => {
  await withFlock({ names: ["wren", "finch", "robin"], flags }, async (flock) => {
    flock.names.forEach((name) => flock.start(name));
    await flock.together();
    const before = flock.seat("robin").rounds().at(-1)!;
    await Promise.all(flock.names.map((name) => flock.kill(name)));

    const robin = flock.start("robin"), first = await robin.round(() => true);
    assert.ok(first.round >= before.round, "it has what it said that it had");
    if (first.round === before.round) assert.equal(first.digest, before.digest);
    await robin.round(({ round, peers }) => round > first.round && peers === 1);
    ["wren", "finch"].forEach((name) => flock.start(name));
    for (const name of flock.names) {
      const last = robin.rounds().at(-1)!.round;
      await robin.round((round) => round.round > last && counts(round, flock.peer(name)));
    }
    assert.deepEqual((await flock.audit(lateRounds)).faults, []);
  });
});

Deno.test("a peer whose time stood still for rounds wakes up, catches up and is counted again", async () => {
  await withFlock({ names: ["wren", "finch", "robin"], flags }, async (flock) => {
    flock.names.forEach((name) => flock.start(name));
    const together = await flock.together();
    const wren = flock.seat("wren");
    flock.freeze("finch");
    const without = await wren.round((round) =>
      round.round > together.round + lateRounds && !counts(round, flock.peer("finch"))
    );
    flock.thaw("finch");
    await wren.round((round) => round.round > without.round && counts(round, flock.peer("finch")));
    assert.deepEqual((await flock.audit(lateRounds)).faults, []);
  });
});
