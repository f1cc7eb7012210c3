import { strict as assert } from "node:assert";
import { join } from "node:path";
import { makeRunPlace } from "../run_place.ts";
import { Seat } from "../starling.ts";
import { tinyRun } from "../tiny_run.ts";

Deno.test("a peer that joined by a ticket dials the same peers when it is started again", async () => {
  await using place = await makeRunPlace(tinyRun({ name: "club", membership: "open" }));
  const guest = join(place.path, "guest");
  await using host = new Seat(["start", place.run]);
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
});
