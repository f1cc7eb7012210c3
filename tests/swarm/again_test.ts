import { strict as assert } from "node:assert";
import { join } from "node:path";
import { Seat } from "../starling.ts";
import { tinyRun } from "../tiny_run.ts";

Deno.test("a peer that joined by a ticket dials the same peers when it is started again", async () => {
  const path = await Deno.makeTempDir();
  try {
    const club = join(path, "club"), guest = join(path, "guest");
    await Deno.mkdir(club);
    await Deno.writeTextFile(join(club, "run.json"), JSON.stringify(tinyRun({ name: "club", membership: "open" })));
    await using host = new Seat(["start", club]);
    const { ticket } = await host.next("started");
    let dials: readonly string[];
    {
      await using peer = new Seat(["join", ticket!, "--folder", guest]);
      ({ dials } = await peer.next("started"));
      assert.ok(dials.length > 0);
      peer.child.interrupt();
      assert.equal(await peer.child.ended, 0, peer.account());
    }
    await using again = new Seat(["start", guest]);
    assert.deepEqual((await again.next("started")).dials, dials);
  } finally {
    await Deno.remove(path, { recursive: true });
  }
});
