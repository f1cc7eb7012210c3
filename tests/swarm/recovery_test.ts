/**
 * Peers that die and come back: real processes, killed at a moment of the protocol and not of the clock.
 * @module
 */
import { strict as assert } from "node:assert";
import type { RoundEvent } from "../starling.ts";
import { tinyRun } from "../tiny_run.ts";
import { agreement, withFlock } from "./flock.ts";

const flags = ["--throttle", "30"];
const { lateRounds } = tinyRun().outer;

Deno.test("a peer killed with its work unfinished is counted again in the round after next, and nobody else waits", async () => {
  await withFlock({ names: ["wren", "finch", "robin"], flags }, async (flock) => {
    const [wren, finch, robin] = flock.names.map((name) => flock.start(name));
    const [together] = await agreement([wren!, finch!, robin!], ({ peers }) => peers === 3);

    await finch!.next("progress");
    await flock.kill("finch");
    const alone = await wren!.round(({ round, peers }) => round > together.round && peers === 2);

    const again = flock.start("finch");
    const first = await again.round(() => true);
    assert.ok(first.round >= together.round, "it goes on from what it had");
    await again.next("connected");
    const returned = wren!.rounds().at(-1)!.round;
    const counted = await wren!.round((round) => round.round > returned && works(round, flock.peer("finch")));
    // The round under way when it came back, the next one, and the one after that.
    assert.ok(counted.round <= returned + 3, `back in record ${counted.round}, after it met round ${returned}`);
    const rounds = wren!.rounds().map(({ round }) => round);
    assert.deepEqual(rounds, rounds.map((_, i) => rounds[0]! + i), "the others lost no round");
    assert.ok(alone.round <= together.round + 3);
    const same = await agreement([wren!, again, robin!], ({ round }) => round >= counted.round);
    assert.equal(new Set(same.map(({ digest }) => digest)).size, 1);
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
    assert.deepEqual(await flock.audit(lateRounds), []);
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
    await agreement(flock.seats(), (round) => round.round > without.round && works(round, flock.peer("finch")));
    assert.deepEqual(await flock.audit(lateRounds), []);
  });
});

/** Whether a round counted tokens of this peer. */
function works({ members }: RoundEvent, peer: string): boolean {
  return members.some((member) => member.peer === peer && member.tokens > 0);
}
