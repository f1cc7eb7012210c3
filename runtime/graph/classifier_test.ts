import { strict as assert } from "node:assert";
import { gpt2Small } from "../../tests/twelve_layers.ts";
import { countingWindows, nameOf, roughWeights, tinyGpt2, tinyModels } from "../../tests/tiny_models.ts";
import type { Device, Dispatch, Span } from "../device/device.ts";
import { gpuTest, testDevice } from "../../tests/kernels/check.ts";
import { openCpuDevice } from "../device/cpu.ts";
import { openPlainDevice } from "../device/plain.ts";
import type { ModelConfig } from "../model/config.ts";
import { initialWeights } from "../model/parameters.ts";
import { inspect, type Inspection, type InspectOptions } from "../train/inspect.ts";
import { openTrainer } from "../train/trainer.ts";
import { planTrainer } from "../train/trainer_plan.ts";
import { rowChunks } from "./classifier.ts";

/** So few that a chunk has the fewest rows there may be, 128. */
const FEW_BYTES = 1;
/** Of 9 tokens: 270 rows, in chunks 128, 128 and 14. */
const WINDOWS = 30;

Deno.test("rowChunks() takes all rows if they fit, else as few equal chunks as do, each from a multiple of 128 on", () => {
  const chunks = (N: number, V: number, logitsBytes: number) =>
    rowChunks({ N, V, logitsBytes }).map(({ first, count }) => `${first}+${count}`).join(" ");
  assert.equal(chunks(300, 100, 120_000), "0+300");
  assert.equal(chunks(300, 100, 119_999), "0+256 256+44");
  assert.equal(chunks(300, 100, 1), "0+128 128+128 256+44");
  assert.equal(chunks(1024, 100, 4 * 100 * 900), "0+512 512+512");
  assert.equal(chunks(1, 100, 1), "0+1");
  for (const { first, count } of rowChunks({ N: 4096, V: 50_257, logitsBytes: 2 ** 26 })) {
    assert.ok(4 * 50_257 * count <= 2 ** 26 && first % 128 === 0);
  }
});

for (const model of tinyModels) {
  Deno.test(`chunks change no logit and no loss, and gradients by rounding alone, for ${nameOf(model)}`, async () => {
    const whole = await exactly(model, {}), chunked = await exactly(model, { logitsBytes: FEW_BYTES });
    assert.deepEqual(chunked.logits, whole.logits);
    assert.deepEqual(chunked.losses, whole.losses);
    assert.ok(whole.losses.length === 9 * WINDOWS && whole.losses.every((loss) => loss > 0));
    for (const [name, wanted] of whole.gradients) {
      const largest = Math.max(...wanted.map(Math.abs)), found = chunked.gradients.get(name)!;
      // Sums of 270 terms in another order: their rounding units in f64, of the largest sum.
      wanted.forEach((value, i) => assert.ok(Math.abs(found[i]! - value) <= 1e-13 * largest, `${name} ${i}`));
    }
  });

  Deno.test(`chunks change no bit but in the output layer's gradient, in f16 too, for ${nameOf(model)}`, async () => {
    for (const precision of ["f32", "f16"] as const) {
      const device = openPlainDevice(), windows = countingWindows(WINDOWS, model), weights = roughWeights(model);
      const options = { device, model, weights, windows, precision };
      const whole = await inspect(options), chunked = await inspect({ ...options, logitsBytes: FEW_BYTES });
      assert.deepEqual(chunked.losses, whole.losses);
      for (const [name, wanted] of whole.gradients) {
        if (name === (model.tied ? "token_embedding" : "head")) continue;
        assert.deepEqual(chunked.gradients.get(name), wanted, `${name} in ${precision}`);
      }
    }
  });
}

async function exactly(model: ModelConfig, options: Pick<InspectOptions, "logitsBytes">): Promise<Inspection> {
  const device = openPlainDevice({ precision: "f64" });
  const windows = countingWindows(WINDOWS, model), weights = roughWeights(model);
  const read = (span: Span) => Promise.resolve(device.readExactly(span));
  return await inspect({ device, model, windows, weights, read, ...options });
}

Deno.test("a trainer on the plain device learns and evaluates in chunks what it does with whole logits", async () => {
  await expectSameTraining(openPlainDevice());
});

Deno.test("a trainer on the cpu device learns and evaluates in chunks what it does with whole logits", async () => {
  await using device = await openCpuDevice({ threads: 2, sharedWork: 1 });
  await expectSameTraining(device);
});

gpuTest("a trainer on a GPU learns and evaluates in chunks what it does with whole logits", async () => {
  await expectSameTraining(await testDevice());
});

async function expectSameTraining(device: Device): Promise<void> {
  const run = async (logitsBytes: number) => {
    await using trainer = await openTrainer({ device, model: tinyGpt2, microBatch: WINDOWS, logitsBytes });
    trainer.writeWeights(initialWeights(tinyGpt2, 1));
    const settings = { rate: 0.01, beta1: 0.9, beta2: 0.95, epsilon: 1e-8, decay: 0.1, clip: 1 };
    for (let step = 0; step < 5; step++) {
      trainer.step(countingWindows(WINDOWS, tinyGpt2, step), settings, { halves: step === 3 });
    }
    const metrics = await trainer.readMetrics();
    const { lossSum } = await trainer.evaluate(countingWindows(WINDOWS, tinyGpt2, 9), initialWeights(tinyGpt2, 2));
    return { losses: metrics.map(({ loss }) => loss), inner: metrics[3]!.halves!.inner, lossSum };
  };
  const whole = await run(Infinity), chunked = await run(FEW_BYTES);
  // Sums of weights' gradients are in another order: 1e-7 of a step, which the loss hardly sees.
  assert.ok(Math.abs(chunked.lossSum - whole.lossSum) < 1e-6 * whole.lossSum);
  whole.losses.forEach((loss, i) => assert.ok(Math.abs(chunked.losses[i]! - loss) < 1e-6, `step ${i}`));
  assert.ok(Math.abs(chunked.inner - whole.inner) < 1e-4 * Math.abs(whole.inner));
}

Deno.test("logits of a 124M GPT-2 at 4 × 1024 tokens cost an eighth of a plan if whole, and a thirtieth in chunks", () => {
  const plan = (logitsBytes?: number) =>
    planTrainer({ model: gpt2Small, microBatch: 4, ...(logitsBytes === undefined ? {} : { logitsBytes }) });
  const whole = plan(Infinity).plannedBytes, chunked = plan().plannedBytes;
  const told = `${whole} bytes whole, ${chunked} in chunks`; // 6.96e9 and 6.34e9
  assert.ok(Math.abs(4 * 4096 * 50_257 / whole - 1 / 8) < 0.01, told);
  assert.ok(Math.abs(4 * 1024 * 50_257 / chunked - 1 / 30) < 0.003, told);
  assert.ok(whole - chunked > 0.7 * 4 * 4096 * 50_257, told);
});

Deno.test("no program of a step or an evaluation binds more than a chunk of logits", async () => {
  const plain = openPlainDevice(), logits: Dispatch[] = [];
  const device: Device = {
    ...plain,
    prepare(dispatches, label) {
      logits.push(...dispatches.filter(({ kernel }) => kernel.name === "cross_entropy"));
      return plain.prepare(dispatches, label);
    },
  };
  await using _trainer = await openTrainer({ device, model: tinyGpt2, microBatch: WINDOWS, logitsBytes: FEW_BYTES });
  assert.deepEqual(logits.map(({ shape }) => [shape["N"], shape["GRADIENT"]]), [
    ...[128, 128, 14].map((N) => [N, 0]),
    ...[128, 128, 14].map((N) => [N, 1]),
  ]);
  for (const { spans } of logits) assert.ok(spans["logits"]!.buffer.words < 9 * WINDOWS * tinyGpt2.vocabularySize);
});
