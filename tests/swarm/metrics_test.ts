/**
 * What a real peer leaves of a run: its metrics and the average of its weights, over a restart.
 * @module
 */
import { strict as assert } from "node:assert";
import { join } from "node:path";
import { parseMetrics } from "../../runtime/metrics_lines.ts";
import { openAverage } from "../../runtime/run_folder.ts";
import { readEwa } from "../../runtime/state/ewa_bytes.ts";
import { weightsLayout } from "../../runtime/state/weights.ts";
import { makeRunPlace } from "../run_place.ts";
import { Seat, starling } from "../starling.ts";
import { tinyRun } from "../tiny_run.ts";

Deno.test("a peer's metrics and average go on over a restart, and compare and eval read them", async () => {
  const config = tinyRun();
  await using place = await makeRunPlace(config);
  const peer = join(place.run, "peer");
  const trainTo = async (round: number) => {
    await using seat = new Seat(["start", place.run]);
    await seat.round((event) => event.round >= round && event.heldOut !== null);
    seat.child.interrupt();
    assert.equal(await seat.child.ended, 0, seat.account());
  };
  const metrics = async () => parseMetrics(await Deno.readTextFile(join(peer, "metrics.jsonl")))!;
  const average = async () => {
    const average = new Float32Array(weightsLayout(config).parameterWords);
    const read = await readEwa(openAverage(peer)!, average);
    assert.ok(read.ok);
    return { progress: read.progress, average };
  };

  await trainTo(3);
  const first = await metrics(), early = await average();
  await trainTo(first.rounds.at(-1)!.round + 2);
  const { run, rounds, damaged, runs } = await metrics(), late = await average();

  assert.deepEqual([run.name, runs.length, damaged], ["tiny", 1, 0]);
  assert.deepEqual(rounds.slice(0, first.rounds.length), first.rounds, "nothing of the first life is changed");
  const numbers = rounds.map(({ round }) => round);
  assert.deepEqual(numbers, numbers.map((_, i) => numbers[0]! + i), "a line a round");
  for (const key of ["elapsedMs", "tokens", "peerTokens", "upBytes", "residentPeakBytes", "offersCounted"] as const) {
    const values = rounds.map((round) => round[key]);
    assert.deepEqual(values, values.toSorted((a, b) => a - b), `${key} is a total: ${values}`);
  }
  const last = rounds.at(-1)!;
  assert.ok(last.peerTokens > 0 && last.deviceBytes > 0 && last.residentBytes > 0 && last.runTokensPerSecond > 0);
  assert.ok(rounds.some(({ heldOutLoss, heldOutTokens }) => heldOutLoss !== null && heldOutTokens !== null));

  assert.ok(late.progress.steps > early.progress.steps && late.progress.tokens > early.progress.tokens);
  assert.notDeepEqual(late.average, early.average);

  const compared = await starling(["compare", place.run, "--json"]);
  assert.equal(compared.code, 0, compared.err);
  assert.equal(JSON.parse(compared.out).runs[0].tokens, last.tokens);
  const lossOf = async (...flags: string[]) => {
    const { code, out, err } = await starling(["eval", place.run, "--device", "cpu", "--json", ...flags]);
    assert.equal(code, 0, err);
    return JSON.parse(out.trim().split("\n").at(-1)!).loss;
  };
  const newest = await lossOf(), averaged = await lossOf("--ewa");
  assert.notEqual(averaged, newest);
  assert.ok(averaged < Math.log(256), "the average is a model that has learnt");

  await Deno.writeFile(join(peer, "average"), new Uint8Array(100));
  const refused = await starling(["eval", place.run, "--ewa"]);
  assert.match(refused.err, /Cannot open the average of run "tiny": it is not of version 1 or 2. It starts anew when/);
  assert.equal(refused.code, 2);
});
