/**
 * Peers that die and come back: real processes, killed at a moment of the protocol and not of the clock.
 * @module
 */
import { strict as assert } from "node:assert";
import type { RoundEvent } from "../starling.ts";
import { agreement, withFlock } from "./flock.ts";

const flags = ["--throttle", "30"];

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

/** Whether a round counted tokens of this peer. */
function works({ members }: RoundEvent, peer: string): boolean {
  return members.some((member) => member.peer === peer && member.tokens > 0);
}
