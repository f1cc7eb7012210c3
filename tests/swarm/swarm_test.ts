/**
 * Real processes, real libp2p on loopback, the command line as a user types it: three peers train, one is killed and
 * comes back, one joins late by ticket. Waits are for events, each with a bound.
 * @module
 */
import { strict as assert } from "node:assert";
import { join } from "node:path";
import { Seat } from "../starling.ts";
import { tinyRun } from "../tiny_run.ts";

Deno.test("three peers train, one is killed and returns, one joins late: one digest, and the loss has fallen", async () => {
  const folder = await Deno.makeTempDir({ prefix: "starling-swarm-" });
  const run = join(folder, "run");
  await Deno.mkdir(run);
  await Deno.writeTextFile(join(run, "run.json"), JSON.stringify(tinyRun()));
  await Deno.writeTextFile(join(run, "network.key"), "ab".repeat(32) + "\n");
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
    const together = await wren.round(({ peers }) => peers === 3);
    assert.equal((await finch.round(({ round }) => round === together.round)).digest, together.digest);
    assert.equal((await robin.round(({ round }) => round === together.round)).digest, together.digest);

    finch.child.kill();
    await finch.child.ended;
    const without = await wren.round(({ round, peers }) => round > together.round && peers === 2);
    const again = sit("finch", ["start", run, ...meet]);
    const back = await again.round(({ round }) => round > without.round);
    assert.ok(back.round > together.round, "finch goes on from the history it knew");

    const heron = sit("heron", ["join", ticket, "--folder", join(folder, "heron-run")]);
    await heron.next("admitted");
    const all = await wren.round(({ peers }) => peers === 4);
    for (const seat of [again, robin, heron]) {
      assert.equal((await seat.round(({ round }) => round === all.round)).digest, all.digest);
    }
    assert.ok(all.loss! < firstLoss * 0.95, `loss fell from ${firstLoss} to ${all.loss}`);
  } catch (error) {
    for (const [name, seat] of seats) console.error(`--- ${name}\n${seat.account()}`);
    throw error;
  } finally {
    await Promise.all([...seats.values()].map((seat) => seat[Symbol.asyncDispose]()));
    await Deno.remove(folder, { recursive: true });
  }
});
