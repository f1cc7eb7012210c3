import { strict as assert } from "node:assert";
import { sketch, SKETCH_BUCKETS } from "../../kernels/sketch.ts";
import { gpuTest, testDevice } from "../../tests/kernels/check.ts";
import { evaluate } from "../../tests/kernels/finite_differences.ts";
import { countingWindows, roughWeights, tinyGpt2, tinyLlama } from "../../tests/tiny_models.ts";
import { openCpuDevice } from "../device/cpu.ts";
import type { Device } from "../device/device.ts";
import { openPlainDevice } from "../device/plain.ts";
import { initialWeights, parameterLayout } from "../model/parameters.ts";
import type { StepSettings } from "./inner_step.ts";
import { inspect } from "./inspect.ts";
import { openTrainer, type Trainer, type TrainerOptions } from "./trainer.ts";

const settings: StepSettings = { rate: 0.01, beta1: 0.9, beta2: 0.95, epsilon: 1e-8, decay: 0.1, clip: 1 };
const model = tinyGpt2, layout = parameterLayout(model), measured = { halves: true, sketchSeed: 5 };

async function open(options: Partial<TrainerOptions> = {}): Promise<Trainer> {
  const trainer = await openTrainer({ device: openPlainDevice(), model, microBatch: 3, ...options });
  trainer.writeWeights(roughWeights(model));
  trainer.writeAnchor(roughWeights(model));
  return trainer;
}

/** The gradient of the mean loss, as an arena. */
async function gradientOf(windows: readonly Uint32Array[]): Promise<Float64Array> {
  const { gradients } = await inspect({ device: openPlainDevice(), model, weights: roughWeights(model), windows });
  const arena = new Float64Array(layout.words);
  for (const { name, start } of layout.parameters) arena.set(gradients.get(name)!, start);
  return arena;
}

function dot(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
  return sum;
}

async function expectSameUpdate(device: Device, K: number): Promise<void> {
  const run = async (measures: typeof measured | undefined) => {
    await using trainer = await open({ device, microBatch: 3 });
    for (let step = 0; step < 3; step++) trainer.step(countingWindows(3 * K, model, step), settings, measures);
    return { weights: await trainer.readWeights(), metrics: await trainer.readMetrics() };
  };
  const plain = await run(undefined), watched = await run(measured);
  assert.ok(watched.metrics.every(({ halves }) => halves !== null));
  if (K > 1) {
    assert.deepEqual(watched.weights, plain.weights);
    assert.deepEqual(watched.metrics.map(({ loss }) => loss), plain.metrics.map(({ loss }) => loss));
    return;
  }
  // Sums in another order move a gradient by some rounding units; of a key's bias, whose gradient is all rounding,
  // Adam makes steps of up to the rate.
  const isNoise = (i: number) =>
    layout.parameters.some(({ name, start, words }) => name.endsWith("qkv.bias") && i >= start && i < start + words);
  watched.weights.forEach((value, i) => {
    if (!isNoise(i)) assert.ok(Math.abs(value - plain.weights[i]!) < 2e-5, `value ${i}: ${value}, ${plain.weights[i]}`);
  });
  watched.metrics.forEach(({ loss }, i) => assert.ok(Math.abs(loss - plain.metrics[i]!.loss) < 1e-5));
}

for (const K of [1, 2, 3, 8]) {
  Deno.test(`a measured step moves the parameters as an ordinary one does, in ${K} micro-batches`, async () => {
    await expectSameUpdate(openPlainDevice(), K);
  });
}

Deno.test("a measured step moves the parameters as an ordinary one does on the cpu device", async () => {
  await using device = await openCpuDevice({ threads: 2, sharedWork: 0 });
  await expectSameUpdate(device, 1);
  await expectSameUpdate(device, 3);
});

for (
  const { count, microBatch, first, second } of [
    { count: 6, microBatch: 6, first: [0, 3], second: [3, 6] },
    { count: 5, microBatch: 8, first: [0, 3], second: [3, 5] },
    { count: 2, microBatch: 3, first: [0, 1], second: [1, 2] },
    { count: 8, microBatch: 2, first: [0, 4], second: [4, 8] },
    { count: 6, microBatch: 2, first: [0, 2], second: [2, 4] },
    { count: 5, microBatch: 4, first: [0, 3], second: [3, 5] },
  ] as const
) {
  Deno.test(`halves of ${count} sequences in micro-batches of ${microBatch} are ${first} and ${second}`, async () => {
    const windows = countingWindows(count, model);
    await using trainer = await open({ microBatch });
    trainer.step(windows, settings, { halves: true });
    const { halves } = (await trainer.readMetrics())[0]!;
    const a = await gradientOf(windows.slice(...first)), b = await gradientOf(windows.slice(...second));
    assert.deepEqual(halves!.sequences, [first[1] - first[0], second[1] - second[0]]);
    for (const [name, wanted] of [["first", dot(a, a)], ["second", dot(b, b)], ["inner", dot(a, b)]] as const) {
      const error = Math.abs(halves![name] - wanted); // f32 sums of some thousand products
      assert.ok(error < 2e-6 * dot(a, a), `${name}: ${halves![name]}, wanted ${wanted}`);
    }
  });
}

gpuTest("a measured step moves the parameters as an ordinary one does on a GPU", async () => {
  await expectSameUpdate(await testDevice(), 1);
  await expectSameUpdate(await testDevice(), 3);
});

gpuTest("a GPU measures the same halves and sketch as the plain device in f64, within rounding", async () => {
  const measuredBy = async (device: Device) => {
    await using trainer = await open({ device, microBatch: 2 });
    trainer.step(countingWindows(5, model), settings, measured);
    return (await trainer.readMetrics())[0]!;
  };
  const wanted = await measuredBy(openPlainDevice({ precision: "f64" })), found = await measuredBy(await testDevice());
  for (const figure of ["first", "second", "inner"] as const) {
    const error = Math.abs(found.halves![figure] - wanted.halves![figure]);
    assert.ok(error < 1e-5 * wanted.halves!.first, `${figure}: ${found.halves![figure]}`);
  }
  const largest = Math.max(...wanted.sketch!.map(Math.abs));
  found.sketch!.forEach((value, i) => assert.ok(Math.abs(value - wanted.sketch![i]!) < 1e-5 * largest, `bucket ${i}`));
});

Deno.test("halves of windows of different lengths are those of mean gradients all the same", async () => {
  const windows = countingWindows(4, model).map((window, i) => window.subarray(0, 10 - 2 * i));
  await using trainer = await open({ microBatch: 2 });
  trainer.step(windows, settings, { halves: true });
  const { halves } = (await trainer.readMetrics())[0]!;
  const a = await gradientOf(windows.slice(0, 2)), b = await gradientOf(windows.slice(2));
  assert.ok(Math.abs(halves!.inner - dot(a, b)) < 1e-5 * dot(a, a), `${halves!.inner}, wanted ${dot(a, b)}`);
  assert.ok(Math.abs(halves!.second - dot(b, b)) < 1e-5 * dot(b, b));
});

Deno.test("a sketch is of the mean gradient of the whole batch, before clipping", async () => {
  const windows = countingWindows(5, model);
  await using trainer = await open({ microBatch: 2 });
  trainer.step(windows, { ...settings, clip: 1e-3 }, { sketchSeed: 77 });
  const [{ sketch: found, sequences, halves }] = await trainer.readMetrics() as [StepMetricsOf];
  const x = await gradientOf(windows), shape = { COUNT: x.length, BLOCKS: 1 };
  const [wanted] = evaluate(sketch, { shape, inputs: { x, seed: [77] }, outputs: ["partial"] });
  assert.deepEqual([sequences, halves, found!.length], [5, null, SKETCH_BUCKETS]);
  const largest = Math.max(...wanted.map(Math.abs));
  found!.forEach((value, i) => assert.ok(Math.abs(value - wanted[i]!) < 1e-5 * largest, `bucket ${i}`));
});
type StepMetricsOf = Awaited<ReturnType<Trainer["readMetrics"]>>[number];

Deno.test("what steps measured comes in one wait, each with its own figures, and of sketches the last", async () => {
  let reads = 0;
  const device = openPlainDevice(),
    counting = {
      ...device,
      read: (...spans: Parameters<Device["read"]>) => (reads++, device.read(...spans)),
    };
  await using trainer = await open({ device: counting });
  const figures: unknown[] = [], still = { ...settings, rate: 0, decay: 0 };
  for (const halves of [true, false, true, true]) {
    const windows = countingWindows(4, model, figures.length);
    trainer.step(windows, still, { halves, sketchSeed: halves ? 1 : null });
    figures.push((await trainer.readMetrics())[0]!);
  }
  reads = 0;
  for (const [i, halves] of [true, false, true, true].entries()) {
    trainer.step(countingWindows(4, model, i), still, { halves, sketchSeed: halves ? 1 : null });
  }
  const together = await trainer.readMetrics();
  assert.equal(reads, 1);
  const alone = figures as StepMetricsOf[];
  assert.deepEqual(together.map(({ halves }) => halves), alone.map(({ halves }) => halves));
  assert.deepEqual(together.map(({ sketch }) => sketch), [null, null, null, alone[3]!.sketch]);
});

Deno.test("halves of a gradient that is not finite are not compared", async () => {
  await using trainer = await open();
  trainer.writeWeights(initialWeights(model, 1).map((value) => value * 1e30));
  trainer.step(countingWindows(4, model), settings, measured);
  const [{ skipped, halves, sketch }] = await trainer.readMetrics() as [StepMetricsOf];
  assert.deepEqual([skipped, halves, sketch], [true, null, null]);
});

Deno.test("a batch of one sequence is compared with that of the step before", async () => {
  const windows = countingWindows(5, model).map((window, i) => window.subarray(0, 10 - i));
  const gradients: Float64Array[] = [];
  for (const window of windows) gradients.push(await gradientOf([window]));
  await using trainer = await open();
  for (const window of windows) trainer.step([window], { ...settings, rate: 0 }, { halves: true });
  const found = (await trainer.readMetrics()).map(({ halves }) => halves);
  assert.deepEqual(found.map((halves) => halves !== null), [false, true, false, true, false]);
  for (const second of [1, 3]) {
    const a = gradients[second - 1]!, b = gradients[second]!, halves = found[second]!;
    assert.deepEqual(halves.sequences, [1, 1]);
    for (const [name, wanted] of [["first", dot(a, a)], ["second", dot(b, b)], ["inner", dot(a, b)]] as const) {
      assert.ok(Math.abs(halves[name] - wanted) < 1e-5 * dot(a, a), `${name}: ${halves[name]}, wanted ${wanted}`);
    }
  }
});

Deno.test("a batch of one sequence is compared with no step on other weights, and with none from before a cut", async () => {
  const [window] = countingWindows(1, model);
  const between: readonly ((trainer: Trainer) => unknown)[] = [
    (trainer) => trainer.writeWeights(roughWeights(model)),
    (trainer) => trainer.shift(new Float32Array(layout.words)),
    (trainer) => trainer.cut().then(() => trainer.commitResidual(true)),
    (trainer) => trainer.step([window!], settings),
    (trainer) => trainer.stepInParts(countingWindows(6, model), settings, { halves: true }).next(),
  ];
  for (const happen of between) {
    await using trainer = await open();
    const measure = () => trainer.step([window!], settings, { halves: true });
    measure();
    await happen(trainer);
    measure();
    assert.equal((await trainer.readMetrics()).at(-1)!.halves, null);
    measure();
    assert.ok((await trainer.readMetrics())[0]!.halves !== null);
  }
});

Deno.test("halves are not compared between a dense cut and the news of its fate, and what the cut left out is kept", async () => {
  for (const isCounted of [true, false]) {
    const residuals: (Float32Array | null)[] = [];
    for (const measures of [{}, { halves: true }]) {
      await using trainer = await open();
      const step = () => trainer.step(countingWindows(6, model), settings, measures);
      step();
      assert.equal(trainer.canCompareHalves, true);
      await trainer.cut();
      assert.equal(trainer.canCompareHalves, false);
      step();
      trainer.commitResidual(isCounted);
      assert.equal(trainer.canCompareHalves, true);
      step();
      residuals.push((await trainer.saveMoments()).residual);
      const wanted = measures.halves === true ? [true, false, true] : [false, false, false];
      assert.deepEqual((await trainer.readMetrics()).map(({ halves }) => halves !== null), wanted);
    }
    assert.equal(residuals[0]!.some((value) => value !== 0), isCounted);
    assert.deepEqual(residuals[1], residuals[0]);
  }
});

Deno.test("a trainer without outer steps measures if it was opened for it, in one more arena, and says so if not", async () => {
  const windows = countingWindows(6, tinyLlama), plain = openPlainDevice(), device = openPlainDevice();
  await using without = await openTrainer({ device: plain, model: tinyLlama, microBatch: 3, outer: false });
  assert.equal(without.canCompareHalves, false);
  assert.throws(() => without.step(windows, settings, { halves: true }), /without 'measured: true'/);
  assert.throws(() => without.step(windows, settings, { sketchSeed: 1 }), /without 'measured: true'/);
  await using trainer = await openTrainer({ device, model: tinyLlama, microBatch: 3, outer: false, measured: true });
  trainer.writeWeights(roughWeights(tinyLlama));
  trainer.step(windows, settings, { halves: true });
  assert.ok((await trainer.readMetrics())[0]!.halves!.inner > 0);
  const small = 4 * (3 * 256 + 65 * 256 + 1);
  assert.equal(trainer.plannedBytes - without.plannedBytes, 4 * trainer.layout.words + small);
  assert.equal(device.memory().bytes, trainer.plannedBytes);
});
