import { strict as assert } from "node:assert";
import { cbsPicture } from "./draw_cbs.ts";
import type { BenchLine, RecordedLine } from "./line.ts";

const line = (fields: BenchLine): RecordedLine => ({
  ...{ bench: "cbs", os: "linux", cores: 2, deno: "2.9.6", loadBefore: 0 },
  ...fields,
});

Deno.test("cbsPicture() draws the steps with their fit, and B* over each thing that was varied with its exponent", () => {
  const chart = cbsPicture([
    line({ name: "markov, data ×0.5", varied: "data", x: 100, criticalBatch: 8, deviation: 1, a: 5, b: 50 }),
    ...[1, 2, 4].map((batch) =>
      line({ name: `markov, data ×1, batch ${batch}`, batch, steps: 10 + 100 / batch, leastSteps: 9, mostSteps: 111 })
    ),
    line({ name: "markov, data ×1, batch 8", batch: 8, steps: null, leastSteps: null, mostSteps: null }),
    line({ name: "markov, data ×1", varied: "data", x: 200, criticalBatch: 11, deviation: null, a: 10, b: 100 }),
    line({ name: "markov, law of data", varied: "data", exponent: 0.459, bySeed: "", deviation: null }),
    line({ name: "markov, width ×1", varied: "width", x: 32, criticalBatch: null, deviation: null }),
  ]);
  const [steps, data, width, depth] = chart.panels;
  assert.deepEqual(steps!.series.map(({ name, points }) => [name, points.map(({ x, y }) => [x, y])]), [
    ["markov", [[1, 110], [2, 60], [4, 35]]],
    ["markov, fit", [[1, 110], [2, 60], [4, 35]]],
  ]);
  assert.equal(data!.title, "B* over data: exponent markov 0.46");
  assert.deepEqual(data!.series[0]!.points, [{ x: 100, y: 8, low: 7, high: 9 }, { x: 200, y: 11, low: 11, high: 11 }]);
  assert.deepEqual([width, depth].map((panel) => panel!.series[0]!.points), [[], []]);
});
