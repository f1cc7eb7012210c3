/**
 * A list of members with real processes: somebody with the ticket is refused and told what to ask, the owner allows it
 * while its peer runs, it joins and trains, and the owner sends it away.
 * @module
 */
import { strict as assert } from "node:assert";
import { join } from "node:path";
import { makeIdentity } from "../../runtime/run_folder.ts";
import { LOCAL, Seat, starling } from "../starling.ts";
import { tinyRun } from "../tiny_run.ts";

Deno.test("a peer with the ticket joins once the owner has allowed it, and is cut off when the owner removes it", async () => {
  const folder = await Deno.makeTempDir({ prefix: "starling-members-" });
  const run = join(folder, "run"), seats: Seat[] = [];
  try {
    const { peer: owner } = await makeIdentity(join(run, "peer"));
    await Deno.writeTextFile(join(run, "run.json"), JSON.stringify(tinyRun({ membership: "allow", owner })));
    await Deno.writeTextFile(join(run, "network.key"), "ab".repeat(32) + "\n");
    const wren = new Seat(["start", run, "--name", "wren"]);
    seats.push(wren);
    const { ticket } = await wren.next("started");

    const joining = ["join", ticket!, "--folder", join(folder, "finch"), "--name", "finch"];
    const refused = await starling([...joining, ...LOCAL]);
    assert.equal(refused.code, 5, refused.err);
    const [, self] = /ask the run's owner for 'starling members <folder> --allow (12D3KooW\w{44})'/.exec(refused.err) ??
      [];
    assert.ok(self, refused.err);
    await assert.rejects(Deno.stat(join(folder, "finch", "run.json")), Deno.errors.NotFound, "it learnt nothing");

    const allowed = await starling(["members", run, "--allow", self]);
    assert.match(allowed.out, /The peer that runs here tells the others within seconds/);
    await wren.next("members");
    const finch = new Seat(joining);
    seats.push(finch);
    await finch.next("admitted");
    await wren.round(({ peers }) => peers === 2);

    assert.equal((await starling(["members", run, "--remove", self])).code, 0);
    await finch.next("disconnected");
    await wren.next("left");
  } catch (error) {
    for (const seat of seats) console.error(seat.account());
    throw error;
  } finally {
    await Promise.all(seats.map((seat) => seat[Symbol.asyncDispose]()));
    await Deno.remove(folder, { recursive: true });
  }
});
