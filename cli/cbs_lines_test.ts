import { strict as assert } from "node:assert";
import type { CbsOptions } from "../runtime/experiment/cbs_plan.ts";
import type { CbsAnswer } from "../runtime/experiment/cbs_report.ts";
import { measureCriticalBatch } from "../runtime/experiment/critical_batch.ts";
import { smallModel } from "../tests/experiment_scene.ts";
import { tinyRun } from "../tests/tiny_run.ts";
import { cbsChart } from "./cbs_chart.ts";
import { cbsLines } from "./cbs_lines.ts";
import { drawChart } from "./chart/chart.ts";

const options: CbsOptions = {
  run: { ...tinyRun(), model: smallModel },
  ...{ batches: [2, 8, 32, 128], reference: 2, tokens: 1e5, target: null, rates: [1], seeds: 1, vary: null },
};

/** Steps by batch; null: not reached. */
function answerOf(steps: readonly (number | null)[], changes: Partial<CbsAnswer> = {}): CbsAnswer {
  const points = options.batches.flatMap((batch, i) => steps[i] === null ? [] : [{ batch, steps: steps[i]! }]);
  const critical = measureCriticalBatch(points, { reference: options.reference });
  return {
    ...{ label: "", x: 1e5, parameters: 5000, tokens: 1e5, contextLength: 16, isTrivial: false, targets: [2.5] },
    rows: options.batches.map((batch, i) => ({
      batch,
      isTried: true,
      steps: steps[i]!,
      bySeed: [steps[i]!],
      factors: [1],
      residual: critical?.residuals[points.findIndex((point) => point.batch === batch)] ?? null,
    })),
    critical,
    ...{ bySeed: [], deviation: null, noiseScale: 61 },
    ...changes,
  };
}

const text = (answers: readonly CbsAnswer[], asked = options, law: { scale: number; exponent: number } | null = null) =>
  cbsLines({ answers, law, exponents: [] }, asked).join("\n");

Deno.test("a report has a row a batch, the fit, the critical batch in sequences and tokens, and the noise scale", () => {
  const found = text([answerOf([2020, 520, 145, 51.25])]);
  assert.match(found, /target loss 2\.5000/);
  assert.match(found, /^ +8 +128 +520 +66\.6 k +520 +0\.0 %$/m);
  assert.match(found, /^steps = 20 \+ 4\.00 k \/ batch$/m);
  assert.match(found, /^B\* = b\/\(5a\) \+ 1\.2 · 2 = 42\.\d sequences = 6\d\d tokens$/m);
  assert.match(found, /noise scale there: 61 sequences/);
  assert.doesNotMatch(found, /Not to be trusted/);
});

Deno.test("a report says what is doubtful, and why", () => {
  assert.match(text([answerOf([2020, 520, 145, null])]), /128 .* target not reached$/m);
  assert.match(text([answerOf([2020, 520, 145, null])]), /^Not to be trusted: only 3 batch sizes reached the target/m);
});

Deno.test("a report without an answer says what to change", () => {
  assert.match(
    text([answerOf([2020, null, null, null])]),
    /Fewer than two batch sizes .* fewer --tokens or a higher --target/,
  );
  const without = answerOf([null, null, null, null], { targets: [null] });
  assert.match(text([without]), /^No target: .* smaller --rates/);
  const stopped = { ...without, rows: without.rows.map((row) => ({ ...row, isTried: false })) };
  assert.match(
    text([stopped]),
    /^No target yet: the reference batch, which sets it, has not been trained to its end\.$/,
  );
  assert.match(
    text([answerOf([null, null, null, null], { isTrivial: true })]),
    /untrained model already has .* lower --target/,
  );
});

Deno.test("a report of an unfinished sweep says what is not done", () => {
  const { rows, ...answer } = answerOf([2020, null, null, null]);
  const found = text([{ ...answer, rows: rows.map((row, i) => ({ ...row, isTried: i < 2 })) }]);
  assert.match(found, / 8 .* target not reached\n +32 .* not done\n/);
  assert.match(found, /Too few batches are done for a fit/);
});

Deno.test("what was varied has a table of its own, with the law or why there is none", () => {
  const asked = { ...options, vary: { what: "data" as const, values: [0.5, 1] } };
  const answers = [
    answerOf([1010, 265, 77, 30], { label: "data ×0.5", x: 5e4, tokens: 5e4 }),
    answerOf([2020, 520, 145, 51.25], { label: "data ×1", deviation: 3 }),
  ];
  assert.match(
    text(answers, asked, { scale: 1, exponent: 0.472 }),
    /data ×1 +100 k +5\.00 k +42\.\d ± 3 +61\n.*tokens\^0\.47 \(2 values\)$/,
  );
  assert.match(text([answers[0]!], asked), /could not be measured at two values of the data/);
});

Deno.test("a picture has the points, their fit and B*, and is drawn of nothing as well", () => {
  const report = { answers: [answerOf([2020, 520, 145, 51.25])], law: null, exponents: [] };
  const chart = cbsChart(report, options);
  assert.deepEqual(chart.panels[0]!.series.map(({ name, points }) => [name, points.length]), [["measured", 4], [
    "a + b/B",
    60,
  ]]);
  assert.match(drawChart(chart), /B\* 42/);
  assert.match(drawChart(cbsChart({ answers: [], law: null, exponents: [] }, options)), /no fit yet/);
});
