/**
 * A ticket whose address leads to a peer of another run.
 * @module
 */
import { strict as assert } from "node:assert";
import { join } from "node:path";
import type { Digest } from "../p2p/sync/types.ts";
import { formatTicket } from "../p2p/ticket.ts";
import { makeRunPlace } from "./run_place.ts";
import { LOCAL, Seat, starling } from "./starling.ts";
import { tinyRun } from "./tiny_run.ts";

Deno.test("join says that another run answers at the ticket's address", async () => {
  await using place = await makeRunPlace(tinyRun({ membership: "open" }));
  await using peer = new Seat(["start", place.run]);
  const { addresses } = await peer.next("started");
  const ticket = formatTicket({
    run: "12".repeat(32) as Digest,
    name: "other",
    addresses: addresses.slice(0, 1),
    networkKey: null,
  });
  const { code, err } = await starling(["join", ticket, "--folder", join(place.path, "other"), ...LOCAL]);
  assert.equal(code, 5, err);
  assert.match(err, /another run/);
});
