import { strict as assert } from "node:assert";
import { openPlainDevice } from "../device/plain.ts";
import { findParameter, initialWeights, parameterLayout, valuesOf } from "../model/parameters.ts";
import { countingWindows, nameOf, roughWeights, tinyGpt2, tinyLlama, tinyModels } from "../../tests/tiny_models.ts";
import type { StepSettings } from "./inner_step.ts";
import { inspect } from "./inspect.ts";
import { openTrainer, type Trainer, type TrainerOptions } from "./trainer.ts";

const settings: StepSettings = { rate: 0.01, beta1: 0.9, beta2: 0.95, epsilon: 1e-8, decay: 0.1, clip: 1 };

async function open(options: Partial<TrainerOptions> = {}): Promise<Trainer> {
  const model = options.model ?? tinyGpt2;
  const trainer = await openTrainer({ device: openPlainDevice(), model, microBatch: 3, ...options });
  trainer.writeWeights(initialWeights(model, 1));
  return trainer;
}

for (const model of tinyModels) {
  Deno.test(`step() is AdamW on the clipped gradient, for ${nameOf(model)}`, async () => {
    const windows = countingWindows(3, model), layout = parameterLayout(model);
    await using trainer = await open({ model });
    const wanted = Float64Array.from(await trainer.readWeights());
    const first = new Float64Array(layout.words), second = new Float64Array(layout.words);
    for (let t = 1; t <= 3; t++) {
      const look = await inspect({ device: openPlainDevice(), model, weights: Float32Array.from(wanted), windows });
      const gradient = new Float64Array(layout.words);
      for (const { name, start } of layout.parameters) gradient.set(look.gradients.get(name)!, start);
      const norm = Math.hypot(...gradient), scale = Math.min(1, settings.clip / norm);
      for (let i = 0; i < layout.words; i++) {
        const g = gradient[i]! * scale;
        first[i] = settings.beta1 * first[i]! + (1 - settings.beta1) * g;
        second[i] = settings.beta2 * second[i]! + (1 - settings.beta2) * g * g;
        const m = first[i]! / (1 - settings.beta1 ** t), v = second[i]! / (1 - settings.beta2 ** t);
        if (i < layout.decayedWords) wanted[i]! *= 1 - settings.rate * settings.decay;
        wanted[i]! -= settings.rate * m / (Math.sqrt(v) + settings.epsilon);
      }
      trainer.step(windows, settings);
      const [metrics] = await trainer.readMetrics();
      assert.equal(metrics!.step, t);
      // Sums of 27 losses and of some 1,500 squares in f32: a few of their rounding units of 6e-8.
      assert.ok(Math.abs(metrics!.loss - look.loss) < 1e-6 * look.loss);
      assert.ok(Math.abs(metrics!.gradientNorm - norm) < 1e-6 * norm);
    }
    // An update is at most some rates; gradients differ by f32 rounding, 1e-6 of an update. Where a gradient is all
    // rounding (the key bias moves no loss), Adam makes whole steps of it: those are not compared.
    const isNoise = keyBiasWords(trainer);
    (await trainer.readWeights()).forEach((value, i) => {
      if (!isNoise.has(i)) assert.ok(Math.abs(value - wanted[i]!) < 2e-5, `value ${i}: ${value}, wanted ${wanted[i]}`);
    });
  });
}

/** Softmax does not see a constant added to all its logits, so the gradient of a key's bias is exactly zero. */
function keyBiasWords({ layout }: Trainer): Set<number> {
  const words = new Set<number>();
  for (const { name, start, words: length } of layout.parameters) {
    if (!name.endsWith("qkv.bias")) continue;
    for (let i = length / 3; i < 2 * length / 3; i++) words.add(start + i);
  }
  return words;
}

Deno.test("step() learns a text that has something to learn", async () => {
  await using trainer = await open({ model: tinyLlama });
  for (let step = 0; step < 60; step++) trainer.step(countingWindows(6, tinyLlama, step), settings);
  const losses = (await trainer.readMetrics()).map(({ loss }) => loss);
  assert.equal(losses.length, 60);
  assert.ok(Math.abs(losses[0]! - Math.log(13)) < 0.05, `starts at chance: ${losses[0]}`);
  assert.ok(losses[59]! < 1.6, `ends well below chance, 2.56: ${losses[59]}`); // the text's entropy is about 1.1
});

Deno.test("step() on micro-batches, the last one not full, equals the step on the whole batch", async () => {
  const windows = countingWindows(5, tinyGpt2), after: Float32Array[] = [], norms: number[] = [];
  for (const microBatch of [5, 2, 1]) {
    await using trainer = await open({ microBatch });
    trainer.step(windows, { ...settings, rate: 0, decay: 0, beta1: 0 });
    norms.push((await trainer.readMetrics())[0]!.gradientNorm);
    after.push((await trainer.saveMoments()).first); // with β₁ = 0 the clipped gradient itself
  }
  const largest = Math.max(...after[0]!.map(Math.abs));
  for (const gradient of after.slice(1)) {
    // 45 terms in another order of f32 sums: some rounding units of the largest terms.
    gradient.forEach((value, i) => assert.ok(Math.abs(value - after[0]![i]!) < 2e-6 * largest, `value ${i}`));
  }
  assert.ok(norms.every((norm) => Math.abs(norm - norms[0]!) < 1e-6 * norm), `${norms}`);
});

Deno.test("stepInParts() stops before each part, and a step that is given up changes nothing", async () => {
  const [first, second] = [countingWindows(5, tinyGpt2), countingWindows(3, tinyGpt2, 7)];
  await using whole = await open({ microBatch: 2 });
  for (const windows of [first, second]) whole.step(windows, settings);
  await using parted = await open({ microBatch: 2 });
  const givenUp = parted.stepInParts(second, settings);
  for (let part = 0; part < 4; part++) assert.equal(givenUp.next().done, false);
  assert.equal(parted.stepCount, 0);
  const shares = [...parted.stepInParts(first, settings)];
  assert.equal(shares.length, 3 * 3); // layers, output layer, backward
  assert.ok(shares.every((share) => share > 0) && Math.abs(shares.reduce((a, b) => a + b) - 1) < 1e-12);
  parted.step(second, settings);
  assert.deepEqual(await parted.readWeights(), await whole.readWeights());
  assert.deepEqual(await parted.readMetrics(), await whole.readMetrics());
});

Deno.test("on a slow device the parts of a step are shorter, and the same bits are learned", async () => {
  const windows = countingWindows(3, tinyGpt2), tokens = 3 * 9;
  await using whole = await open();
  whole.step(windows, settings);
  await using parted = await open({ tokensPerSecond: tokens / 2 }); // a step takes two seconds
  const shares = [...parted.stepInParts(windows, settings)];
  // A tenth of a second is a twentieth of it; the largest products are more, and stand alone.
  assert.ok(shares.length > 12 && shares.length < 40, `${shares.length} parts`);
  assert.ok(shares.filter((share) => share > 0.05).length <= 8);
  assert.deepEqual(await parted.readWeights(), await whole.readWeights());
  await using fast = await open({ tokensPerSecond: tokens * 1000 });
  assert.equal([...fast.stepInParts(windows, settings)].length, 3);
});

Deno.test("step() with windows of different lengths weighs every predicted token the same", async () => {
  const [long, other] = countingWindows(2, tinyGpt2), short = other!.subarray(0, 4);
  await using trainer = await open({ microBatch: 1 });
  trainer.step([long!, short], settings);
  const [metrics] = await trainer.readMetrics();
  const weights = initialWeights(tinyGpt2, 1);
  const { loss } = await inspect({ device: openPlainDevice(), model: tinyGpt2, weights, windows: [long!, short] });
  assert.equal(metrics!.tokens, 9 + 3);
  assert.ok(Math.abs(metrics!.loss - loss) < 1e-6);
});

Deno.test("step() leaves weights and moments alone when the gradient is not finite, and says so", async () => {
  await using trainer = await open();
  trainer.step(countingWindows(3, tinyGpt2), settings);
  const weights = await trainer.readWeights(), moments = await trainer.saveMoments();
  valuesOf(weights, findParameter(trainer.layout, "layer.1.mlp.down.weight"))[3] = NaN;
  trainer.writeWeights(weights);
  trainer.step(countingWindows(3, tinyGpt2), settings);
  assert.deepEqual((await trainer.readMetrics()).map(({ skipped }) => skipped), [false, true]);
  assert.deepEqual(await trainer.readWeights(), weights);
  assert.deepEqual((await trainer.saveMoments()).first, moments.first);
  trainer.writeWeights(initialWeights(tinyGpt2, 1));
  trainer.step(countingWindows(3, tinyGpt2), settings);
  assert.deepEqual((await trainer.readMetrics()).map(({ skipped }) => skipped), [false]);
});

Deno.test("steps and evaluations upload all their micro-batches from one array", async () => {
  const plain = openPlainDevice(), uploaded = new Set<ArrayBufferView>();
  const device = {
    ...plain,
    write(...[span, values]: Parameters<typeof plain.write>) {
      if (span.buffer.label === "inputs") uploaded.add(values);
      plain.write(span, values);
    },
  };
  await using trainer = await open({ device, microBatch: 2 });
  for (let i = 0; i < 3; i++) trainer.step(countingWindows(5, tinyGpt2), settings);
  await trainer.evaluate(countingWindows(5, tinyGpt2));
  assert.equal(uploaded.size, 1);
});

Deno.test("evaluate() of windows that cannot be used changes nothing", async () => {
  await using trainer = await open({ microBatch: 1 });
  const before = await trainer.readWeights(), other = before.map((value) => value / 2);
  const windows = [Uint32Array.of(1, 2, 3), Uint32Array.of(1, 1e6)];
  await assert.rejects(trainer.evaluate(windows, other), /Cannot use window 1: token 1 is 1000000/);
  assert.deepEqual(await trainer.readWeights(), before);
});

Deno.test("step() refuses an empty batch", async () => {
  await using trainer = await open();
  assert.throws(() => trainer.step([], settings), /the batch predicts no token/);
});

Deno.test("readMetrics() gives each step once, and the last 64 if more were made", async () => {
  await using trainer = await open({ model: tinyLlama, microBatch: 1 });
  assert.deepEqual(await trainer.readMetrics(), []);
  const windows = countingWindows(70, tinyLlama);
  const alone: number[] = [];
  for (const window of windows) alone.push(await lossOf(trainer, window, { ...settings, rate: 0 }));
  for (const window of windows) trainer.step([window], { ...settings, rate: 0 });
  const metrics = await trainer.readMetrics();
  assert.deepEqual(metrics.map(({ step }) => step), Array.from({ length: 64 }, (_, i) => 70 + 7 + i));
  assert.deepEqual(metrics.map(({ loss }) => loss), alone.slice(6));
  assert.deepEqual(await trainer.readMetrics(), []);
});

async function lossOf(trainer: Trainer, window: Uint32Array, numbers: StepSettings): Promise<number> {
  trainer.step([window], numbers);
  return (await trainer.readMetrics())[0]!.loss;
}

Deno.test("evaluate() sums the losses of any number of windows, of its own weights or of others", async () => {
  await using trainer = await open({ microBatch: 2 });
  const windows = [...countingWindows(4, tinyGpt2), Uint32Array.of(1, 2, 3)];
  const others = roughWeights(tinyGpt2), own = await trainer.readWeights();
  for (const weights of [undefined, others, undefined]) {
    const { lossSum, tokens } = await trainer.evaluate(windows, weights);
    const look = await inspect({ device: openPlainDevice(), model: tinyGpt2, weights: weights ?? own, windows });
    assert.equal(tokens, 4 * 9 + 2);
    assert.ok(Math.abs(lossSum / tokens - look.loss) < 1e-6 * look.loss, `${lossSum / tokens} ${look.loss}`);
  }
  assert.deepEqual(await trainer.readWeights(), own);
});

Deno.test("evaluate() between steps does not change what the steps do", async () => {
  await using plain = await open();
  await using watched = await open();
  for (let step = 0; step < 3; step++) {
    plain.step(countingWindows(3, tinyGpt2, step), settings);
    watched.step(countingWindows(3, tinyGpt2, step), settings);
    await watched.evaluate(countingWindows(2, tinyGpt2), roughWeights(tinyGpt2));
  }
  assert.deepEqual(await watched.readWeights(), await plain.readWeights());
});

Deno.test("saveMoments() and readWeights() are all that training needs to go on with the same bits", async () => {
  await using whole = await open();
  await using before = await open();
  await using after = await open();
  for (let step = 0; step < 4; step++) whole.step(countingWindows(3, tinyGpt2, step), settings);
  for (let step = 0; step < 2; step++) before.step(countingWindows(3, tinyGpt2, step), settings);
  after.writeWeights(await before.readWeights());
  after.loadMoments(await before.saveMoments());
  for (let step = 2; step < 4; step++) after.step(countingWindows(3, tinyGpt2, step), settings);
  assert.deepEqual(await after.readWeights(), await whole.readWeights());
  assert.equal(after.stepCount, 4);
});

Deno.test("bias correction follows a β₂ that changes from step to step, also over a checkpoint", async () => {
  const beta2s = [0.99, 0.99, 0.9, 0.8], windows = countingWindows(3, tinyGpt2);
  await using before = await open();
  await using after = await open();
  for (const [i, beta2] of beta2s.entries()) {
    const trainer = i < 3 ? before : after;
    if (i === 3) after.loadMoments(await before.saveMoments());
    trainer.step(windows, { ...settings, beta2, rate: 0 });
  }
  // The gradient is the same in all steps, so the second moment is its square times 1 − Πβ₂: the correction.
  const { second, beta2Product } = await after.saveMoments();
  assert.ok(Math.abs(beta2Product - 0.99 * 0.99 * 0.9 * 0.8) < 1e-15);
  const gradient = await gradientAt(after, windows), largest = Math.max(...gradient.map((g) => g * g));
  second.forEach((value, i) => {
    assert.ok(Math.abs(value / (1 - beta2Product) - gradient[i]! ** 2) < 1e-5 * largest, `value ${i}`);
  });
  // So AdamW's step is the rate, in the gradient's direction.
  const start = await after.readWeights();
  after.step(windows, { ...settings, beta2: 0.7, decay: 0 });
  (await after.readWeights()).forEach((value, i) => {
    if (gradient[i]! ** 2 < 0.01 * largest) return;
    const moved = (start[i]! - value) * Math.sign(gradient[i]!);
    assert.ok(Math.abs(moved - settings.rate) < 1e-4 * settings.rate, `value ${i} moved by ${moved}`);
  });
});

/** The clipped gradient: the first moment where β₁ is 0. */
async function gradientAt(trainer: Trainer, windows: readonly Uint32Array[]): Promise<Float32Array> {
  await using other = await open();
  other.writeWeights(await trainer.readWeights());
  other.step(windows, { ...settings, rate: 0, beta1: 0 });
  return (await other.saveMoments()).first;
}

Deno.test("plannedBytes is what the device gives, and closing gives all of it back", async () => {
  for (const outer of [true, false]) {
    const device = openPlainDevice();
    const trainer = await open({ device, outer });
    assert.equal(device.memory().bytes, trainer.plannedBytes);
    trainer.step(countingWindows(3, tinyGpt2), settings);
    await trainer.evaluate(countingWindows(3, tinyGpt2));
    assert.equal(device.memory().peakBytes, trainer.plannedBytes);
    await trainer[Symbol.asyncDispose]();
    assert.equal(device.memory().bytes, 0);
  }
});

Deno.test("openTrainer() leaves nothing allocated on a device that is too small", async () => {
  const device = openPlainDevice();
  const small = {
    ...device,
    allocate: (words: number, label: string) => {
      if (device.memory().bytes > 50_000) throw new Error(`Cannot allocate '${label}'`);
      return device.allocate(words, label);
    },
  };
  await assert.rejects(openTrainer({ device: small, model: tinyGpt2, microBatch: 3 }), /Cannot allocate/);
  assert.equal(device.memory().bytes, 0);
  assert.ok(device.memory().peakBytes > 50_000);
});

Deno.test("writeWeights() refuses another model's arena and padding that is not zero", async () => {
  await using trainer = await open();
  assert.throws(() => trainer.writeWeights(initialWeights(tinyLlama, 1)), /the layout needs/);
  const weights = initialWeights(tinyGpt2, 1);
  weights[13 * 12] = 1; // after the token embedding
  assert.throws(() => trainer.writeWeights(weights), /padding after 'token_embedding' holds 1/);
});
