/**
 * AdLoCo with real peers: processes that meet over libp2p bring several models to one, and commands that show a model
 * say meanwhile which of them it is.
 * @module
 */
import { strict as assert } from "node:assert";
import { join } from "node:path";
import type { RunConfig } from "../../runtime/config.ts";
import { parseMetrics } from "../../runtime/metrics_lines.ts";
import { makeRunPlace } from "../run_place.ts";
import { Seat, starling } from "../starling.ts";
import { tinyRun } from "../tiny_run.ts";
import { agreement, QUICK_ROUNDS, withFlock } from "./flock.ts";
import { counts } from "./recovery.ts";

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

Deno.test("three lineages become one among real peers, while one is killed and returns and one joins by ticket", async () => {
  const batching = { policy: "adloco", lineages: 3, mergeEvery: 6 } as unknown as RunConfig["batching"];
  const config = tinyRun({ batching, rounds: QUICK_ROUNDS });
  const names = ["wren", "finch", "robin", "heron"], founders = names.slice(0, 3);
  await withFlock({ names, config, flags: ["--throttle", "25"] }, async (flock) => {
    founders.forEach((name) => flock.start(name));
    const { lineages } = await flock.together(founders);
    assert.equal(lineages.length, 3);
    assert.deepEqual(new Set(lineages.flatMap(({ members }) => members)), new Set(founders.map((n) => flock.peer(n))));

    await flock.kill("finch");
    const finch = flock.start("finch"), heron = await flock.join("heron");
    await finch.round((round) => counts(round, flock.peer("finch")));
    const arrived = await heron.round(({ members }) => members.some(({ peer }) => peer === flock.peer("heron")));
    assert.ok(arrived.lineages.length > 1, "heron's first state has several models");

    const [one] = await agreement(flock.seats(), ({ lineages }) => lineages.length === 1);
    assert.deepEqual(one.lineages[0]!.from, [0, 1, 2]);
    assert.equal(one.lineages[0]!.members.length, 4);
    const merges = flock.seat("wren").rounds().filter(({ merged }) => merged !== null);
    assert.equal(merges.length, 2, "one merge at a time, each told once");
    assert.deepEqual((await flock.audit(config.outer.lateRounds)).faults, []);
  });
});
