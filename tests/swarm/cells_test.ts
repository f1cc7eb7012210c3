/**
 * Real processes of a run in cells of two: four peers part into two cells, both train, and the cells meet.
 * @module
 */
import { strict as assert } from "node:assert";
import { join } from "node:path";
import { runIdOf } from "../../p2p/genesis.ts";
import { openIdentity } from "../../p2p/store/key_file.ts";
import { digitsOf } from "../../p2p/sync/cells.ts";
import type { Digest, PeerId } from "../../p2p/sync/types.ts";
import { genesisBytes } from "../../runtime/config.ts";
import { expect, type RoundEvent, Seat, starling } from "../starling.ts";
import { tinyRun } from "../tiny_run.ts";

const config = tinyRun({
  cells: { size: 2, rounds: 2 },
  rounds: { firstMs: 1_000, leastMs: 1_000, longestMs: 10_000 },
});

/** A place for a peer whose name begins with this digit: keys are made until one is. */
async function placeIn(folder: string, digit: string, run: Digest): Promise<PeerId> {
  await Deno.mkdir(folder);
  for (;;) {
    const { peer } = await openIdentity(join(folder, "identity.key"));
    if (digitsOf({ run }, peer).startsWith(digit)) return peer;
    await Deno.remove(join(folder, "identity.key"));
  }
}

/** The last round of which both have told, if both tell the same state after it and it counted both. */
function lastOfBoth([one, other]: readonly Seat[], after: number): RoundEvent | null {
  const rounds = one!.rounds().filter(({ round, peers }) => round > after && peers === 2);
  return rounds.findLast(({ round, digest }) =>
    other!.rounds().some((told) => told.round === round && told.digest === digest)
  ) ?? null;
}

const hasMet = (seat: Seat) =>
  seat.events.some((event) => event.kind === "cell" && event.reason.includes(" met cell "));

Deno.test("four peers part into two cells; both train, meet, and each is of one mind", async () => {
  const folder = await Deno.makeTempDir({ prefix: "starling-cells-" }), run = join(folder, "run");
  const id = await runIdOf(genesisBytes(config)), seats: Seat[] = [];
  await Deno.mkdir(run);
  await Deno.writeTextFile(join(run, "run.json"), JSON.stringify(config));
  await Deno.writeTextFile(join(run, "network.key"), "ab".repeat(32) + "\n");
  try {
    const meet: string[] = [];
    for (const [name, digit] of [["wren", "0"], ["finch", "1"], ["robin", "0"], ["heron", "1"]] as const) {
      const state = join(folder, name);
      await placeIn(state, digit, id);
      const seat = new Seat(["start", run, "--state", state, "--name", name, "--throttle", "25", ...meet]);
      seats.push(seat);
      if (meet.length === 0) meet.push("--peer", (await seat.next("started")).addresses[0]!);
    }
    const [wren, finch, robin, heron] = seats as [Seat, Seat, Seat, Seat];
    const cells = [[wren, robin], [finch, heron]];
    await expect("all have met the other cell", seats, () => seats.every(hasMet) ? true : null);
    const metAt = Math.max(...seats.flatMap((seat) => seat.rounds().map(({ round }) => round)));
    const last = await expect("each cell is of one mind after that, and counts both", seats, () => {
      const found = cells.map((cell) => lastOfBoth(cell, metAt - 2));
      return found.every((round) => round !== null) ? found : null;
    });
    assert.notEqual(last[0]!.digest, last[1]!.digest, "they are two histories");

    for (const [i, name] of ["wren", "finch"].entries()) {
      const { out } = await starling(["inspect", run, "--state", join(folder, name)]);
      assert.match(out, new RegExp(`^ *\\d+ +${i} .* meets [0-9a-f]{8}… of cell ${1 - i} `, "m"));
      const { code, err } = await starling(["inspect", run, "ledger", "--state", join(folder, name)]);
      assert.equal(code, 0, err);
    }
  } finally {
    await Promise.all(seats.map((seat) => seat[Symbol.asyncDispose]()));
    await Deno.remove(folder, { recursive: true });
  }
});
