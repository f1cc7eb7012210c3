import { strict as assert } from "node:assert";
import { roundMetrics, runMetrics } from "../tests/metrics_lines.ts";
import { parseMetrics, thinnedMetrics } from "./metrics_lines.ts";

const text = (...lines: readonly unknown[]) => lines.map((line) => `${JSON.stringify(line)}\n`).join("");

Deno.test("parseMetrics() reads the run and its rounds in order", () => {
  const metrics = parseMetrics(text(runMetrics(), roundMetrics(1), roundMetrics(2)));
  assert.equal(metrics?.run.name, "tiny");
  assert.deepEqual(metrics?.rounds.map(({ round }) => round), [1, 2]);
  assert.equal(metrics?.damaged, 0);
});

Deno.test("a round that was made anew counts as it was in the end", () => {
  const lines = [runMetrics(), roundMetrics(1), roundMetrics(2, { tokens: 5 }), roundMetrics(2, { tokens: 7 })];
  assert.deepEqual(parseMetrics(text(...lines))?.rounds.map(({ tokens }) => tokens), [1000, 7]);
});

Deno.test("rounds are in order, also where one was passed over at first", () => {
  const metrics = parseMetrics(text(runMetrics(), roundMetrics(1), roundMetrics(3), roundMetrics(2)));
  assert.deepEqual(metrics?.rounds.map(({ round }) => round), [1, 2, 3]);
});

Deno.test("damaged lines are counted and left out, whatever they hold", () => {
  const good = text(runMetrics(), roundMetrics(1));
  const bad = [
    "{",
    "null",
    "7",
    '"x"',
    "[]",
    "{}",
    JSON.stringify({ ...roundMetrics(2), tokens: "many" }),
    "\ufffd\u0000",
  ];
  const metrics = parseMetrics(`${good}${bad.join("\n")}\n${text(roundMetrics(3)).slice(0, -5)}`);
  assert.deepEqual(metrics?.rounds.map(({ round }) => round), [1]);
  assert.equal(metrics?.damaged, bad.length + 1);
});

Deno.test("without a line that says what the run is there are no metrics", () => {
  for (const nothing of ["", "hello\n", text(roundMetrics(1)), text({ ...runMetrics(), version: 2 })]) {
    assert.equal(parseMetrics(nothing), null);
  }
});

Deno.test("the runs of a file that was joined from two are named", () => {
  const metrics = parseMetrics(text(runMetrics({ run: "one" }), runMetrics({ run: "two" })));
  assert.deepEqual(metrics?.runs, ["one", "two"]);
});

Deno.test("thinning keeps the first and last lines, every second of the older rounds, and what is new", () => {
  const rounds = Array.from({ length: 3_000 }, (_, i) => roundMetrics(i + 1));
  const starts = Array.from({ length: 50 }, (_, i) => runMetrics({ atMs: i }));
  const metrics = parseMetrics(thinnedMetrics(`${text(...starts, ...rounds)}damaged\n`))!;
  assert.equal(metrics.damaged, 0);
  assert.equal(metrics.run.atMs, 49);
  const kept = metrics.rounds.map(({ round }) => round);
  assert.equal(kept.length, 2_000);
  assert.deepEqual(kept.slice(0, 3), [1, 3, 5]);
  assert.deepEqual(kept.slice(-1_000), rounds.slice(-1_000).map(({ round }) => round));
});
