import { strict as assert } from "node:assert";
import { join } from "node:path";
import { encodeEntries, JOURNAL_HEADER } from "../../p2p/store/journal_file.ts";
import { makeRunPlace } from "../run_place.ts";
import { LOCAL, Seat, starling } from "../starling.ts";
import { tinyRun } from "../tiny_run.ts";

Deno.test("a peer that joined by a ticket dials the same peers when it is started again, also after it could not be", async () => {
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
  // One that cannot be opened says so, and forgets nothing of what the last life knew.
  const journal = join(guest, "peer", "journal"), whole = await Deno.readFile(journal);
  await Deno.writeFile(journal, new Uint8Array([...JOURNAL_HEADER, ...encodeEntries([Uint8Array.of(99)])]));
  assert.equal((await starling(["start", guest, ...LOCAL])).code, 3);
  await Deno.writeFile(journal, whole);
  await using again = new Seat(["start", guest]);
  assert.deepEqual((await again.next("started")).dials, dials);
});
