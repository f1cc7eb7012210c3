import { strict as assert } from "node:assert";
import { criticalBatch, fitPowerLaw, fitSteps, measureCriticalBatch, type StepsAtBatch } from "./critical_batch.ts";

/** Steps to the target loss in Zhang et al. 2024 (arXiv 2410.21676), and the fits and B* published with them. */
const BATCHES = [64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384];
const PUBLISHED = [
  {
    model: "85M",
    steps: [46000, 23000, 13282, 7000, 3840, 2528, 1917, 1600, 1600],
    fit: { a: 1293.8, b: 2.834e6, critical: 745 },
  },
  {
    model: "151M",
    steps: [96000, 49000, 24000, 12000, 7128, 4350, 2940, 2400, 2300],
    fit: { a: 1752.4, b: 5.677e6, critical: 955 },
  },
  {
    model: "302M",
    steps: [196000, 90000, 46000, 23400, 13300, 7224, 4980, 3400, 2879],
    fit: { a: 2095.3, b: 1.138e7, critical: 1394 },
  },
  {
    model: "604M",
    steps: [311000, 166000, 81000, 37440, 21320, 11400, 7199, 4700, 3800],
    fit: { a: 2459.9, b: 1.945e7, critical: 1889 },
  },
  {
    model: "1.2B",
    steps: [642000, 331000, 176000, 94000, 46500, 25000, 15360, 8900, 6500],
    fit: { a: 3897.3, b: 4.338e7, critical: 2533 },
  },
];
const REFERENCE = 256;

const pointsOf = (steps: readonly number[], batches = BATCHES): StepsAtBatch[] =>
  steps.map((count, i) => ({ batch: batches[i]!, steps: count }));

for (const { model, steps, fit } of PUBLISHED) {
  Deno.test(`the published steps of the ${model} model give the published fit and critical batch`, () => {
    assert.ok(Math.abs(criticalBatch(fit, REFERENCE) - fit.critical) <= 1, "the formula alone");
    const found = measureCriticalBatch(pointsOf(steps), { reference: REFERENCE })!;
    assert.equal(Number(found.a.toFixed(1)), fit.a);
    assert.ok(Math.abs(found.b / fit.b - 1) < 5e-4, `${found.b}: four digits were printed`);
    assert.ok(Math.abs(found.batch - fit.critical) <= 1, `${found.batch}`);
    assert.deepEqual(found.doubts, []);
  });
}

Deno.test("a fit of points that lie on the law finds it, with residuals of zero", () => {
  const points = [1, 2, 8, 64].map((batch) => ({ batch, steps: 40 + 900 / batch }));
  const { a, b, residuals } = fitSteps(points)!;
  assert.ok(Math.abs(a - 40) < 1e-9 && Math.abs(b - 900) < 1e-7);
  assert.ok(residuals.every((residual) => Math.abs(residual) < 1e-12));
});

Deno.test("residuals are shares: twice the steps that the fit has are −50 %", () => {
  const { residuals, a, b } = fitSteps([{ batch: 1, steps: 1000 }, { batch: 2, steps: 2000 }, {
    batch: 4,
    steps: 250,
  }])!;
  assert.ok(Math.abs((a + b / 2) / 2000 - 1 - residuals[1]!) < 1e-12);
  assert.equal(fitSteps([{ batch: 4, steps: 100 }]), null, "one batch size is no fit");
});

/** Points, and what must be said of them. */
const DOUBTFUL:
  readonly (readonly [title: string, points: readonly StepsAtBatch[], reference: number, says: RegExp])[] = [
    ["too few points", pointsOf([1000, 520, 290], [8, 16, 32]), 1, /only 3 batch sizes reached the target and 4/],
    ["perfect scaling throughout", pointsOf([1000, 490, 240, 115], [8, 16, 32, 64]), 1, /a ≤ 0\): add larger batches/],
    ["steps that grow with the batch", pointsOf([100, 120, 150, 200], [8, 16, 32, 64]), 1, /b ≤ 0.*--rates/],
    ["a point far off", pointsOf([1000, 510, 480, 140, 80], [8, 16, 32, 64, 128]), 1, /misses batch 32 by \d+ %/],
    [
      "a reference beyond perfect scaling",
      pointsOf([1100, 600, 350, 225, 162], [8, 16, 32, 64, 128]),
      64,
      /reference batch of 64 is itself \d+ % beyond/,
    ],
    [
      "a critical batch beyond all batches",
      pointsOf([2010, 1010, 510, 260], [8, 16, 32, 64]),
      1,
      /B\* lies beyond the largest batch/,
    ],
  ];
for (const [title, points, reference, says] of DOUBTFUL) {
  Deno.test(`a critical batch is doubted for ${title}, and a remedy is named`, () => {
    assert.match(measureCriticalBatch(points, { reference })!.doubts.join("\n"), says);
  });
}

Deno.test("a power law is found from its points, and from nothing less than two", () => {
  const law = fitPowerLaw([1, 10, 100].map((x) => ({ x, y: 3 * x ** 0.47 })))!;
  assert.ok(Math.abs(law.exponent - 0.47) < 1e-12 && Math.abs(law.scale - 3) < 1e-12);
  assert.equal(fitPowerLaw([{ x: 2, y: 5 }, { x: 2, y: 6 }]), null);
  assert.equal(fitPowerLaw([{ x: 2, y: 5 }, { x: 4, y: -1 }]), null);
});
