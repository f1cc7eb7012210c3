/**
 * A real peer in the middle of AdLoCo: commands that show a model say which of the run's models it is.
 * @module
 */
import { strict as assert } from "node:assert";
import { join } from "node:path";
import type { RunConfig } from "../../runtime/config.ts";
import { parseMetrics } from "../../runtime/metrics_lines.ts";
import { makeRunPlace } from "../run_place.ts";
import { Seat, starling } from "../starling.ts";
import { tinyRun } from "../tiny_run.ts";

Deno.test("while a run trains several lineages, export, sample and eval say which of them they take", async () => {
  const batching = { policy: "adloco", lineages: 2, mergeEvery: null } as unknown as RunConfig["batching"];
  await using place = await makeRunPlace(tinyRun({ batching }));
  {
    await using seat = new Seat(["start", place.run]);
    await seat.round((event) => event.round >= 2);
    seat.child.interrupt();
    assert.equal(await seat.child.ended, 0, seat.account());
  }
  const says =
    /^This is lineage [01], the one of highest demand of the 2 that the run trains beside each other in round \d+: .*\n$/;
  const sampling = ["--tokens", "4", "--device", "cpu"];
  for (
    const command of [["export", place.run], ["sample", place.run, ...sampling], ["eval", place.run, "--ewa"]]
  ) {
    const loud = await starling(command);
    assert.equal(loud.code, 0, loud.err);
    assert.match(loud.err.replace(/^(?!This is).*\n/gm, ""), says, command[0]!);
  }
  const quiet = await starling(["export", place.run, join(place.path, "model"), "--quiet"]);
  assert.deepEqual([quiet.code, quiet.err], [0, ""]);
  const { rounds } = parseMetrics(await Deno.readTextFile(join(place.run, "peer", "metrics.jsonl")))!;
  assert.deepEqual(new Set(rounds.map(({ lineages }) => lineages)), new Set([2]));
});
