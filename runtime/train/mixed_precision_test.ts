import { strict as assert } from "node:assert";
import { gpuTest, testDevice } from "../../tests/kernels/check.ts";
import { countingWindows, nameOf, roughWeights, tinyGpt2, tinyModels } from "../../tests/tiny_models.ts";
import type { Device } from "../device/device.ts";
import { openPlainDevice } from "../device/plain.ts";
import type { ModelConfig } from "../model/config.ts";
import { findParameter, initialWeights, parameterLayout, valuesOf } from "../model/parameters.ts";
import type { StepSettings } from "./inner_step.ts";
import { inspect } from "./inspect.ts";
import { Stability } from "./stability.ts";
import { type StepMetrics, whySkipped } from "./step_metrics.ts";
import { FIRST_LOSS_SCALE, openTrainer, type Trainer, type TrainerOptions } from "./trainer.ts";

const settings: StepSettings = { rate: 0.005, beta1: 0.9, beta2: 0.99, epsilon: 1e-8, decay: 0.1, clip: 1 };

/** A test on the references, which round to f16 where they store it, and on a GPU. */
function onBoth(name: string, body: (device: Device) => Promise<void>): void {
  Deno.test(`${name}, by the references`, () => body(openPlainDevice()));
  gpuTest(`${name}, on a GPU`, async () => {
    const device = await testDevice();
    if (device.storesF16) await body(device); // else `testDevice` has said so
  });
}

async function open(device: Device, options: Partial<TrainerOptions> = {}): Promise<Trainer> {
  const model = options.model ?? tinyGpt2;
  const trainer = await openTrainer({ device, model, microBatch: 3, precision: "f16", ...options });
  trainer.writeWeights(initialWeights(model, 1));
  return trainer;
}

/**
 * A value that is stored in f16 is off by up to 2⁻¹¹ of itself, and some ten are stored between a weight and the loss;
 * errors of different values are not of one mind. 1.6e-3 was the most seen.
 */
const GRADIENT_TOLERANCE = 8 * 2 ** -11;

for (const model of tinyModels) {
  onBoth(`in f16 the gradient of each tensor of ${nameOf(model)} is that of f64 within 0.4 %`, async (device) => {
    const weights = roughWeights(model), windows = countingWindows(3, model);
    const wanted = await inspect({ device: openPlainDevice({ precision: "f64" }), model, weights, windows });
    for (const lossScale of [1, FIRST_LOSS_SCALE]) {
      const found = await inspect({ device, model, weights, windows, precision: "f16", lossScale });
      assert.ok(Math.abs(found.loss - wanted.loss) < 1e-3, `loss ${found.loss}, wanted ${wanted.loss}`);
      for (const [name, gradient] of wanted.gradients) {
        if (name.endsWith("qkv.bias")) continue; // that of the keys is 0 but for rounding
        const error = errorOf(found.gradients.get(name)!, gradient);
        assert.ok(error < GRADIENT_TOLERANCE, `${name}: off by ${error}, loss scale ${lossScale}`);
      }
    }
  });

  onBoth(`thirty steps of ${nameOf(model)} in f16 follow those in f32 within 0.002 nats`, async (device) => {
    const train = async (device: Device, precision: "f32" | "f16") => {
      const before = device.memory().bytes;
      await using trainer = await open(device, { model, precision });
      assert.equal(device.memory().bytes - before, trainer.plannedBytes);
      for (let step = 0; step < 30; step++) trainer.step(countingWindows(5, model, step), settings);
      return { metrics: await trainer.readMetrics(), weights: await trainer.readWeights() };
    };
    const wanted = await train(openPlainDevice(), "f32"), found = await train(device, "f16");
    for (const [i, { loss, skipped, lossScale }] of found.metrics.entries()) {
      assert.deepEqual({ skipped, lossScale }, { skipped: false, lossScale: FIRST_LOSS_SCALE });
      const error = Math.abs(loss - wanted.metrics[i]!.loss);
      assert.ok(error < 0.002, `step ${i}: loss ${loss}, in f32 ${wanted.metrics[i]!.loss}`); // 2e-4 was the most seen
    }
    assert.deepEqual(await train(device, "f16"), found, "the same device gives the same bits again");
  });
}

Deno.test("activations in f16 take less memory, though matrices lie there twice", async () => {
  const bytes = async (precision: "f32" | "f16") => {
    await using trainer = await open(openPlainDevice(), { precision, microBatch: 8 });
    return trainer.plannedBytes;
  };
  assert.ok(await bytes("f16") < 0.95 * await bytes("f32"));
});

onBoth("in f16, micro-batches give the gradient of the whole batch", async (device) => {
  const norms: number[] = [];
  for (const microBatch of [1, 2, 6]) {
    await using trainer = await open(device, { microBatch });
    trainer.step(countingWindows(6, tinyGpt2), settings);
    norms.push((await trainer.readMetrics())[0]!.gradientNorm);
  }
  for (const norm of norms) assert.ok(Math.abs(norm / norms[0]! - 1) < 1e-5, `${norms}`); // sums are f32
});

onBoth(
  "an overflow skips the step, halves the loss scale and says where, and training goes on",
  async (device) => {
    await using trainer = await open(device, { lossScale: 2 ** 24 });
    let before = await trainer.readWeights();
    const steps: StepMetrics[] = [];
    for (let step = 0; step < 30; step++) {
      trainer.step(countingWindows(5, tinyGpt2, step), settings);
      const [metrics] = await trainer.readMetrics();
      steps.push(metrics!);
      const after = await trainer.readWeights();
      assert.equal(after.every((value, i) => value === before[i]), metrics!.skipped);
      before = after;
    }
    expectHalving(steps);
    assert.ok(steps.every((step) => step.skipped || Number.isFinite(step.gradientNorm)));
    assert.ok(steps.at(-1)!.loss < steps[0]!.loss - 0.05, "it does not learn");
    assert.equal(trainer.lossScale, steps.at(-1)!.lossScale);

    const { nonFinite } = steps[0]!, names = nonFinite.map(({ name }) => name);
    assert.ok(names.includes("layer.0.attention.qkv.weight"), `${names}`);
    for (const { name, count } of nonFinite) assert.ok(count <= findParameter(trainer.layout, name).words, name);
    assert.match(
      whySkipped(steps[0]!),
      /^Step 1 was skipped: its gradient is not finite in token_embedding \(\d+ values\)/,
    );
    assert.match(whySkipped(steps[0]!), /loss scale was 16777216/);
  },
);

onBoth("steps that are enqueued together each have the loss scale that the one before left", async (device) => {
  await using trainer = await open(device, { lossScale: 2 ** 24 });
  for (let step = 0; step < 20; step++) trainer.step(countingWindows(5, tinyGpt2, step), settings);
  const steps = await trainer.readMetrics(), last = steps.findLastIndex((step) => step.skipped);
  expectHalving(steps);
  // The counts of only one step are kept: the last that was skipped.
  assert.deepEqual(steps.map(({ nonFinite }) => nonFinite.length > 0), steps.map((_, i) => i === last));
});

onBoth(
  "weights that overflow in f16 at any loss scale are left alone until training is told to be unstable",
  async (device) => {
    await using trainer = await open(device, { lossScale: 8 });
    const weights = await trainer.readWeights(), layout = parameterLayout(tinyGpt2);
    const up = valuesOf(weights, findParameter(layout, "layer.1.mlp.up.weight"));
    up.forEach((_, i) => up[i] = i % tinyGpt2.width === 0 ? 60_000 : 0); // the products of some rows are over 65,504
    trainer.writeWeights(weights);
    const stability = new Stability();
    let reason: string | null = null, steps = 0;
    for (; reason === null && steps < 20; steps++) {
      trainer.step(countingWindows(5, tinyGpt2, steps), settings);
      const [metrics] = await trainer.readMetrics();
      assert.ok(metrics!.skipped);
      reason = stability.add(metrics!);
    }
    assert.equal(steps, 3 + 5); // from 8 to 1, then five in a row
    assert.equal(reason, "5 steps in a row overflowed without any loss scale");
    assert.deepEqual(await trainer.readWeights(), weights);
  },
);

/** Halves of a batch, then two batches of one sequence, which are compared with each other; and a sketch of each. */
const MEASURED_BATCHES = [6, 1, 1];

onBoth("what steps measure of their gradients in f16 is that of f32", async (device) => {
  const measure = async (device: Device, precision: "f32" | "f16") => {
    await using trainer = await open(device, { precision });
    const metrics: StepMetrics[] = [];
    for (const [step, size] of MEASURED_BATCHES.entries()) {
      trainer.step(countingWindows(size, tinyGpt2, step), settings, { halves: true, sketchSeed: step });
      metrics.push(...await trainer.readMetrics());
    }
    return metrics;
  };
  const wanted = await measure(openPlainDevice(), "f32"), found = await measure(device, "f16");
  for (const [step, { halves, sketch }] of wanted.entries()) {
    assert.ok(errorOf(found[step]!.sketch!, sketch!) < GRADIENT_TOLERANCE, `sketch of step ${step}`);
    assert.equal(found[step]!.halves === null, halves === null);
    if (halves === null) continue;
    const figures = ({ first, second, inner }: NonNullable<StepMetrics["halves"]>) => [first, second, inner];
    assert.ok(
      errorOf(figures(found[step]!.halves!), figures(halves)) < 2 * GRADIENT_TOLERANCE,
      `halves of step ${step}`,
    );
  }
  assert.deepEqual(wanted.map(({ halves }) => halves === null), [false, true, false]);
});

Deno.test("a sequence whose step overflowed is not compared with the next", async () => {
  await using trainer = await open(openPlainDevice(), { lossScale: 2 ** 24 });
  let last = true;
  for (let step = 0; last && step < 20; step++) {
    trainer.step(countingWindows(1, tinyGpt2, step), settings, { halves: true });
    const { skipped, halves } = (await trainer.readMetrics())[0]!;
    assert.equal(halves, null, `step ${step}`);
    last = skipped;
  }
  assert.ok(!last);
});

onBoth("evaluation in f16 sees the weights that it is given, and leaves the trained ones", async (device) => {
  const model: ModelConfig = tinyGpt2, windows = countingWindows(3, model), other = roughWeights(model);
  await using trainer = await open(device);
  trainer.step(windows, settings);
  const before = await trainer.readWeights(), own = await trainer.evaluate(windows);
  const { lossSum, tokens } = await trainer.evaluate(windows, other);
  const wanted = await inspect({ device: openPlainDevice(), model, weights: other, windows });
  assert.ok(Math.abs(lossSum / tokens - wanted.loss) < 1e-3);
  assert.deepEqual(await trainer.readWeights(), before);
  assert.deepEqual(await trainer.evaluate(windows), own);
});

/** Each skipped step halves the scale of the next, no other changes it; the first few are skipped, not all. */
function expectHalving(steps: readonly StepMetrics[]): void {
  const wanted = [2 ** 24];
  for (const { skipped } of steps.slice(0, -1)) wanted.push(wanted.at(-1)! / (skipped ? 2 : 1));
  assert.deepEqual(steps.map(({ lossScale }) => lossScale), wanted);
  const skipped = steps.filter((step) => step.skipped).length;
  assert.ok(steps[0]!.skipped && steps[1]!.skipped && skipped < steps.length, `${skipped} steps were skipped`);
}

/** |found − wanted| / |wanted|. */
function errorOf(found: ArrayLike<number>, wanted: ArrayLike<number>): number {
  let difference = 0, size = 0;
  for (let i = 0; i < wanted.length; i++) {
    difference += (found[i]! - wanted[i]!) ** 2;
    size += wanted[i]! ** 2;
  }
  return Math.sqrt(difference / size);
}
