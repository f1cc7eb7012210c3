/**
 * Lines and pictures of all benchmarks of ways of learning, from trials that are made up: what would be found only after
 * hours otherwise.
 * @module
 */
import { strict as assert } from "node:assert";
import { drawChart } from "../cli/chart/chart.ts";
import { PICTURES } from "./draw_methods.ts";
import { tuned } from "./proof/proof_bench.ts";
import { TOKENS } from "./proof/setting.ts";
import { type Finished, keyOf, type Trial } from "./proof/trial.ts";

const STATES = 20;

/** Ways later in the list learn less, and one rate most. */
function madeUp(trial: Trial, { place, bestRate, tokens }: {
  readonly place: number;
  readonly bestRate: number;
  readonly tokens: number;
}): Finished {
  const { seed, training: { learningRate, batch } } = trial.config;
  const last = 1.5 + 0.01 * place + 0.001 * seed + (learningRate === bestRate ? 0 : 0.1);
  const column = (of: (share: number) => number) => Array.from({ length: STATES }, (_, i) => of((i + 1) / STATES));
  const heldOut = column((share) => last + 2 * (1 - share));
  return {
    name: trial.name,
    seed,
    learningRate,
    key: keyOf(trial),
    loss: last,
    course: {
      ms: column((share) => 500_000 * share),
      tokens: column((share) => tokens * share),
      heldOut: heldOut.map((loss, i) => i === 3 ? null : loss),
      trained: heldOut,
      batch: column(() => batch),
      steps: column(() => 20),
      lineages: column((share) => share < 0.5 ? 2 : 1),
    },
    effort: { contributionBytes: 1000 * (place + 1), idleShare: 0, mostIdleShare: 0, expectedRounds: STATES },
  };
}

for (const { bench, title, description, panels } of PICTURES) {
  const rates = [...new Set(bench.trials(1).map(({ config }) => config.training.learningRate))].sort((a, b) => a - b);
  const bestRate = rates[1]!, { tokens = TOKENS } = bench; // which all ways have
  const finished = [1, 2].flatMap((seed) =>
    bench.trials(seed).map((trial, place) => madeUp(trial, { place, bestRate, tokens }))
  );
  const names = [...new Set(finished.map(({ name }) => name))];

  Deno.test(`the lines of '${bench.name}' have every way once, at its best rate, compared with one of them`, () => {
    const lines = bench.lines(finished);
    assert.deepEqual(lines.map(({ name }) => name), names);
    for (const { name, learningRate, isAtEdge } of lines) {
      const own = finished.filter((trial) => trial.name === name).map((trial) => trial.learningRate);
      assert.deepEqual([learningRate, isAtEdge], [bestRate, [Math.min(...own), Math.max(...own)].includes(bestRate)]);
    }
    assert.equal(lines.filter((line) => line["verdict"] === undefined).length, 1);
    for (const line of lines) {
      for (const [key, value] of Object.entries(line)) assert.ok(!Number.isNaN(value), `${line.name}: ${key}`);
    }
  });

  Deno.test(`the lines of '${bench.name}' can be had of one seed`, () => {
    const lines = bench.lines(finished.filter(({ seed }) => seed === 1));
    assert.ok(lines.every(({ verdict }) => verdict === undefined || verdict === "noise"));
  });

  Deno.test(`the picture of '${bench.name}' shows every way`, () => {
    const picture = drawChart({ title, description, panels: panels(tuned(finished, tokens)) });
    for (const name of names) assert.ok(picture.includes(`>${name}<`), name);
    assert.ok(!picture.includes("NaN") && !picture.includes("no data"));
  });

  Deno.test(`no two trials of '${bench.name}' are the same`, () => {
    const keys = bench.trials(1).map(keyOf);
    assert.equal(new Set(keys).size, keys.length);
  });
}
