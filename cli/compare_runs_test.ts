import { strict as assert } from "node:assert";
import type { RoundLine, RunLine } from "../runtime/metrics.ts";
import { roundMetrics, runMetrics } from "../tests/metrics_lines.ts";
import { comparisonLines } from "./compare.ts";
import { compareRuns, comparisonChart, type NamedMetrics } from "./compare_runs.ts";

/** A run whose held-out losses are these, round by round. */
function run(label: string, losses: readonly (number | null)[], changes: Partial<RunLine> = {}): NamedMetrics {
  const rounds = losses.map((heldOutLoss, i): RoundLine =>
    roundMetrics(i + 1, { heldOutLoss, heldOutTokens: heldOutLoss === null ? null : i * 1_000 })
  );
  const line = runMetrics(changes);
  return { label, run: line, rounds, damaged: 0, runs: [line.run] };
}

Deno.test("unless it is said, the target is the worst of the best losses, and every run has reached it", () => {
  const { target, runs } = compareRuns([run("a", [3, 2, 1, 1.5]), run("b", [3, 2.5, 2.25, 2.4])]);
  assert.equal(target, 2.25);
  assert.deepEqual(runs.map(({ reached }) => reached), [
    { tokens: 1_000, elapsedMs: 20_000, rounds: 2 },
    { tokens: 2_000, elapsedMs: 30_000, rounds: 3 },
  ]);
  assert.deepEqual(runs.map(({ bestHeldOutLoss, finalHeldOutLoss }) => [bestHeldOutLoss, finalHeldOutLoss]), [
    [1, 1.5],
    [2.25, 2.4],
  ]);
});

Deno.test("a target that a run has not reached is reached by none of its rounds", () => {
  const { runs } = compareRuns([run("a", [3, 2])], 1.5);
  assert.equal(runs[0]!.reached, null);
});

Deno.test("a run without any held-out loss takes part, and without all of them there is no target", () => {
  assert.equal(compareRuns([run("a", [null, null]), run("b", [3])]).target, 3);
  const { target, runs } = compareRuns([run("a", [null])]);
  assert.deepEqual([target, runs[0]!.bestHeldOutLoss, runs[0]!.reached], [null, null, null]);
});

Deno.test("the speed of a run is that of its rounds, whatever came before the first of them", () => {
  const joined = { ...run("a", [3, 2]), rounds: [10, 11, 12].map((round) => roundMetrics(round)) };
  assert.equal(compareRuns([joined]).runs[0]!.runTokensPerSecond, 100);
  assert.equal(compareRuns([run("a", [3])]).runs[0]!.runTokensPerSecond, 100);
});

Deno.test("settings that differ are named with the value of each run", () => {
  const { training } = runMetrics();
  const { settings } = compareRuns([run("a", [3]), run("b", [3], { seed: 8, training: { ...training, batch: 48 } })]);
  assert.deepEqual(settings, [
    { name: "seed", values: ["7", "8"] },
    { name: "training.batch", values: ["12", "48"] },
  ]);
});

Deno.test("other models, other data and damaged lines are warned of", () => {
  const { model } = runMetrics();
  const other = run("b", [3], { model: { ...model, width: 64 }, dataDigest: "other" });
  assert.deepEqual(compareRuns([run("a", [3]), { ...other, damaged: 2 }]).warnings, [
    "a and b are of different models (width 32 and 64)",
    "a and b have different data or tokenizers: their losses are of different texts",
    "b: 2 damaged lines are left out",
  ]);
  assert.deepEqual(compareRuns([run("a", [3]), run("b", [2])]).warnings, []);
});

Deno.test("the chart shows losses by tokens and time with the target, batches and speeds", () => {
  const runs = [run("a", [3, null, 2]), run("b", [3, 2.5, 2.2])];
  const { panels } = comparisonChart(runs, compareRuns(runs));
  assert.deepEqual(panels.map(({ title }) => title), [
    ...["Held-out loss by tokens", "Held-out loss by time", "Batch", "Throughput"],
  ]);
  assert.deepEqual(panels[0]!.series[0], { name: "a", points: [{ x: 0, y: 3 }, { x: 2000, y: 2 }] });
  assert.deepEqual(panels.map(({ guides }) => guides?.length), [1, 1, 0, 0]);
  assert.equal(panels[1]!.x.label, "time, minutes");
});

Deno.test("a comparison has a row for lineages where a run had several", () => {
  const [one, several] = [run("a", [3, 2]), run("b", [3, 2])];
  const withLineages = { ...several, rounds: several.rounds.map((round, i) => ({ ...round, lineages: 4 - i })) };
  const rowOf = (...runs: readonly NamedMetrics[]) =>
    comparisonLines(compareRuns(runs)).find((line) => line.includes("lineages"))?.trim().split(/ {2,}/);
  assert.deepEqual(rowOf(one, withLineages), ["lineages", "1", "4 → 3"]);
  assert.equal(rowOf(one), undefined);
});
