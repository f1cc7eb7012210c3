/**
 * Peers that die and come back: real processes, killed at a moment of the protocol and not of the clock.
 * @module
 */
import { strict as assert } from "node:assert";
import { tinyRun } from "../tiny_run.ts";
import { agreement, withFlock } from "./flock.ts";
import { counts, killAndReturn } from "./recovery.ts";

const flags = ["--throttle", "30"];
const { lateRounds } = tinyRun().outer;

Deno.test("a peer killed with its work unfinished is counted again in the round after next, and nobody else waits", async () => {
  await withFlock({ names: ["wren", "finch", "robin"], flags }, async (flock) => {
    flock.names.forEach((name) => flock.start(name));
    const { together, returned, counted, lostRounds } = await killAndReturn(flock, "finch");
    assert.ok(flock.seat("finch").rounds()[0]!.round >= together.round, "it went on from what it had");
    // The round under way when it came back, the next one, and the one after that.
    assert.ok(counted.round <= returned.round + 3, `back in record ${counted.round}, it met ${returned.round}`);
    assert.equal(lostRounds, 0, "the others lost no round");
    await agreement(flock.seats(), ({ round }) => round >= counted.round);
    assert.deepEqual((await flock.audit(lateRounds)).faults, []);
  });
});

Deno.test("after all were killed, any one alone goes on from the state it had, and the others find it", async () => {
  await withFlock({ names: ["wren", "finch", "robin"], flags }, async (flock) => {
    flock.names.forEach((name) => flock.start(name));
    await agreement(flock.seats(), ({ peers }) => peers === 3);
    const before = flock.seat("robin").rounds().at(-1)!;
    await Promise.all(flock.names.map((name) => flock.kill(name)));

    const robin = flock.start("robin"), first = await robin.round(() => true);
    assert.ok(first.round >= before.round, "it has what it said that it had");
    if (first.round === before.round) assert.equal(first.digest, before.digest);
    const alone = await robin.round(({ round, peers }) => round > first.round && peers === 1);
    ["wren", "finch"].forEach((name) => flock.start(name));
    await agreement(flock.seats(), ({ round, peers }) => round > alone.round && peers === 3);
    assert.deepEqual((await flock.audit(lateRounds)).faults, []);
  });
});

Deno.test("a peer whose time stood still for rounds wakes up, catches up and is counted again", async () => {
  await withFlock({ names: ["wren", "finch", "robin"], flags }, async (flock) => {
    flock.names.forEach((name) => flock.start(name));
    const [together] = await agreement(flock.seats(), ({ peers }) => peers === 3);
    const wren = flock.seat("wren");
    flock.freeze("finch");
    const without = await wren.round(({ round, peers }) => round > together.round + lateRounds && peers === 2);
    flock.thaw("finch");
    await agreement(flock.seats(), (round) => round.round > without.round && counts(round, flock.peer("finch")));
    assert.deepEqual((await flock.audit(lateRounds)).faults, []);
  });
});
