import { strict as assert } from "node:assert";
import { BY_SHAPE, type KernelChoice, ONE_FORM } from "../../kernels/product_choice.ts";
import { DEFAULT_TILING } from "../../kernels/tiling.ts";
import { gpuTest, testDevice } from "../../tests/kernels/check.ts";
import { countingWindows, nameOf, tinyGpt2, tinyLlama, tinyModels } from "../../tests/tiny_models.ts";
import { gpt2Small, llamaSmall } from "../../tests/twelve_layers.ts";
import { openCpuDevice } from "../device/cpu.ts";
import type { Device } from "../device/device.ts";
import { openPlainDevice } from "../device/plain.ts";
import type { ModelConfig } from "../model/config.ts";
import { initialWeights } from "../model/parameters.ts";
import { openTrainer } from "../train/trainer.ts";
import { planTrainer } from "../train/trainer_plan.ts";
import { type Precision, trainingGraph } from "../train/training_graph.ts";
import { type Lifetime, lifetimes } from "./memory.ts";
import type { RecomputeLevel } from "./recompute.ts";

interface Run {
  readonly device: Device;
  readonly model: ModelConfig;
  readonly precision: Precision;
  /** Default: the device's. */
  readonly choice?: KernelChoice;
}

/** All that a few steps of two micro-batches leave: weights, moments and metrics; and a loss. */
async function train(run: Run, recompute: RecomputeLevel) {
  const { model } = run;
  await using trainer = await openTrainer({ ...run, microBatch: 3, recompute });
  assert.equal(trainer.recompute, recompute);
  trainer.writeWeights(initialWeights(model, 1));
  for (let step = 0; step < 4; step++) {
    const settings = { rate: 0.01, beta1: 0.9, beta2: 0.99, epsilon: 1e-8, decay: 0.1, clip: 1 };
    trainer.step(countingWindows(5, model, step), settings, { halves: step === 2 });
  }
  const { lossSum } = await trainer.evaluate(countingWindows(4, model, 9));
  const { first, second } = await trainer.saveMoments();
  return { metrics: await trainer.readMetrics(), weights: await trainer.readWeights(), first, second, lossSum };
}

async function expectSameBits(device: Device, models = tinyModels): Promise<void> {
  for (const model of models) {
    for (const precision of device.storesF16 ? ["f32", "f16"] as const : ["f32"] as const) {
      const wanted = await train({ device, model, precision }, 0), title = `${nameOf(model)} in ${precision}`;
      assert.ok(wanted.metrics.every(({ skipped }) => !skipped), title);
      for (const level of [1, 2] as const) {
        assert.deepEqual(await train({ device, model, precision }, level), wanted, `${title}, level ${level}`);
      }
    }
  }
}

Deno.test("what is computed again changes no bit of a training, on the plain device", async () => {
  await expectSameBits(openPlainDevice());
});

Deno.test("what is computed again changes no bit of a training, on the cpu device", async () => {
  await using device = await openCpuDevice({ threads: 2, sharedWork: 1 });
  await expectSameBits(device);
});

Deno.test("products in parts are computed again in parts, which are not kept for that and change no bit", async () => {
  const choice: KernelChoice = { fuses: true, product: () => ({ form: DEFAULT_TILING.name, split: 3 }) };
  const run: Run = { device: openPlainDevice(), model: tinyGpt2, precision: "f32", choice };
  assert.deepEqual(await train(run, 2), await train(run, 0));
  const { graph, parts: { backward } } = trainingGraph(tinyGpt2, { B: 2, T: 5, recompute: 2, choice });
  const isParts = ({ storage }: Lifetime) => storage.label.startsWith("parts of");
  const lives = lifetimes(graph).filter(isParts);
  assert.ok(lives.length > 0 && lives.every(({ first, last }) => last <= first + 1 || last < backward.start));
});

gpuTest("what is computed again changes no bit of a training, on a GPU", async () => {
  await expectSameBits(await testDevice(), [tinyGpt2, tinyLlama]); // a model's kernels take seconds to compile
});

/** Uses of each kernel in a backward pass. */
function backwardUses(
  model: ModelConfig,
  recompute: RecomputeLevel,
  choice?: KernelChoice,
): ReadonlyMap<string, number> {
  const products = choice === undefined ? {} : { choice };
  const { graph, parts: { backward } } = trainingGraph(model, { B: 2, T: 5, recompute, ...products });
  const steps = graph.steps.slice(backward.start, backward.stop);
  return new Map([...Map.groupBy(steps, ({ kernel }) => kernel.name)].map(([name, uses]) => [name, uses.length]));
}

Deno.test("level 1 runs norms and activation functions again, level 2 also all products of a layer but the last", () => {
  for (const model of tinyModels) {
    const [norm, activation] = model.family === "gpt2" ? ["layer_norm", "gelu"] : ["rms_norm", "swiglu"];
    const [none, cheap, layers] = ([0, 1, 2] as const).map((level) => backwardUses(model, level));
    const more = (name: string, than: ReadonlyMap<string, number>) => (than.get(name) ?? 0) - (none!.get(name) ?? 0);
    for (const uses of [cheap!, layers!]) {
      // Not the final norm: what it makes is used up before the backward pass.
      assert.deepEqual([more(norm!, uses), more(activation!, uses)], [2 * model.layerCount, model.layerCount]);
    }
    assert.equal(more("matmul", cheap!) + more("attention", cheap!) + more("rope", cheap!), 0);
    assert.deepEqual([more("matmul", layers!), more("attention", layers!)], [3 * model.layerCount, model.layerCount]);
  }
});

Deno.test("an activation that its product makes is made again by itself at level 1, and with its product at level 2", () => {
  for (const model of tinyModels) {
    const [activation, product] = model.family === "gpt2" ? ["gelu", "matmul_gelu"] : ["swiglu", "matmul_swiglu"];
    const uses = ([0, 1, 2] as const).map((level) => backwardUses(model, level, { ...ONE_FORM, fuses: true }));
    const counts = uses.map((uses) => [uses.get(activation) ?? 0, uses.get(product) ?? 0]);
    assert.deepEqual(counts, [[0, 0], [model.layerCount, 0], [0, model.layerCount]]);
  }
});

Deno.test("at 4 × 1024 tokens activations of twelve layers take a quarter less at level 1, a quarter of it at level 2", () => {
  const models = [gpt2Small, llamaSmall];
  for (const [model, choice] of models.flatMap((model) => [[model, ONE_FORM], [model, BY_SHAPE]] as const)) {
    const [all, cheap, layers] = ([0, 1, 2] as const).map((recompute) => {
      const { training, plannedBytes, bufferWords } = planTrainer({ model, microBatch: 4, recompute, choice });
      assert.equal(plannedBytes, 4 * Object.values(bufferWords).reduce((sum, words) => sum + words, 0));
      return training.memory.slotWords.reduce((sum, words) => sum + words, 0);
    });
    const told = `${model.family}: ${all}, ${cheap} and ${layers} words`;
    assert.ok(cheap! < 0.75 * all! && layers! < 0.25 * all!, told);
  }
});
