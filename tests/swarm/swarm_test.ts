/**
 * Real processes, real libp2p on loopback, the command line as a user types it: three peers train, one is killed and
 * comes back, one joins late by ticket. Waits are for events, each with a bound.
 * @module
 */
import { strict as assert } from "node:assert";
import { join } from "node:path";
import { makeRunPlace } from "../run_place.ts";
import { type RoundEvent, Seat, sharedRound } from "../starling.ts";

Deno.test("three peers train, one is killed and returns, one joins late: one digest, and the loss has fallen", async () => {
  await using place = await makeRunPlace();
  const { path: folder, run } = place;
  const seats = new Map<string, Seat>();
  const sit = (name: string, args: readonly string[]) => {
    const seat = new Seat([...args, "--state", join(folder, name), "--name", name]);
    seats.set(name, seat);
    return seat;
  };

  try {
    const wren = sit("wren", ["start", run]);
    const { addresses, ticket } = await wren.next("started");
    const meet = ["--peer", addresses[0]!];
    const finch = sit("finch", ["start", run, ...meet]);
    const robin = sit("robin", ["start", run, ...meet, "--throttle", "50"]);
    const firstLoss = (await wren.round(({ loss }) => loss !== null)).loss!;
    const [together] = await expectEqualStates([wren, finch, robin], ({ peers }) => peers === 3);

    finch.child.kill();
    await finch.child.ended;
    const without = await wren.round(({ round, peers }) => round > together!.round && peers === 2);
    const again = sit("finch", ["start", run, ...meet]);
    const back = await again.round(() => true);
    assert.ok(back.round >= together!.round, "finch goes on from the history it knew");
    await expectEqualStates([wren, again, robin], ({ round, peers }) => round > without.round && peers === 3);

    const heron = sit("heron", ["join", ticket!, "--folder", join(folder, "heron-run")]);
    await heron.next("admitted");
    const [last] = await expectEqualStates([wren, again, robin, heron], ({ peers }) => peers === 4);
    assert.ok(last!.loss! < firstLoss * 0.95, `loss fell from ${firstLoss} to ${last!.loss}`);
  } catch (error) {
    for (const [name, seat] of seats) console.error(`--- ${name}\n${seat.account()}`);
    throw error;
  } finally {
    await Promise.all([...seats.values()].map((seat) => seat[Symbol.asyncDispose]()));
  }
});

/** All peers report one round, of those wanted, with one digest. */
async function expectEqualStates(
  seats: readonly Seat[],
  wanted: (round: RoundEvent) => boolean,
): Promise<readonly RoundEvent[]> {
  const rounds = await sharedRound(seats, wanted);
  for (const { round, digest } of rounds) assert.equal(digest, rounds[0]!.digest, `state digests of round ${round}`);
  return rounds;
}
