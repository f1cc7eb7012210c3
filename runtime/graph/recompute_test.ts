import { strict as assert } from "node:assert";
import type { KernelChoice } from "../../kernels/product_choice.ts";
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
import type { RecomputeLevel } from "./recompute.ts";

interface Run {
  readonly device: Device;
  readonly model: ModelConfig;
  readonly precision: Precision;
}

/** All that a few steps of two micro-batches leave: weights, moments and metrics; and a loss. */
async function train({ device, model, precision }: Run, recompute: RecomputeLevel) {
  await using trainer = await openTrainer({ device, model, microBatch: 3, precision, recompute });
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

gpuTest("what is computed again changes no bit of a training, on a GPU", async () => {
  await expectSameBits(await testDevice(), [tinyGpt2, tinyLlama]); // a model's kernels take seconds to compile
});

/** Uses of each kernel in a backward pass. */
function backwardUses(
  model: ModelConfig,
  { recompute, choice }: { readonly recompute: RecomputeLevel; readonly choice?: KernelChoice },
): ReadonlyMap<string, number> {
  const options = choice === undefined ? {} : { choice };
  const { graph, parts: { backward } } = trainingGraph(model, { B: 2, T: 5, recompute, ...options });
  const steps = graph.steps.slice(backward.start, backward.stop);
  return new Map([...Map.groupBy(steps, ({ kernel }) => kernel.name)].map(([name, uses]) => [name, uses.length]));
}

Deno.test("level 1 runs norms and activation functions again, level 2 also all products of a layer but the last", () => {
  for (const model of tinyModels) {
    const [norm, activation] = model.family === "gpt2" ? ["layer_norm", "gelu"] : ["rms_norm", "swiglu"];
    const [none, cheap, layers] = ([0, 1, 2] as const).map((recompute) => backwardUses(model, { recompute }));
    const more = (name: string, than: ReadonlyMap<string, number>) => (than.get(name) ?? 0) - (none!.get(name) ?? 0);
    for (const uses of [cheap!, layers!]) {
      // Not the final norm: what it makes is used up before the backward pass.
      assert.deepEqual([more(norm!, uses), more(activation!, uses)], [2 * model.layerCount, model.layerCount]);
    }
    assert.equal(more("matmul", cheap!) + more("attention", cheap!) + more("rope", cheap!), 0);
    assert.deepEqual([more("matmul", layers!), more("attention", layers!)], [3 * model.layerCount, model.layerCount]);
  }
});

Deno.test("an activation that a product made with its own output is made again alone at level 1, with it at level 2", () => {
  const split = { fuses: true, product: () => ({ form: DEFAULT_TILING.name, split: 2 }) };
  const whole = { fuses: true, product: () => ({ form: DEFAULT_TILING.name, split: 1 }) };
  for (const model of tinyModels) {
    const name = model.family === "gpt2" ? "gelu" : "swiglu";
    for (const [recompute, alone, together] of [[0, 0, 0], [1, 1, 0], [2, 0, 1]] as const) {
      const uses = backwardUses(model, { recompute, choice: whole });
      assert.equal(uses.get(name) ?? 0, alone * model.layerCount, `level ${recompute}`);
      assert.equal(uses.get(`matmul_${name}`) ?? 0, together * model.layerCount, `level ${recompute}`);
    }
    const [none, layers] = ([0, 2] as const).map((recompute) => backwardUses(model, { recompute, choice: split }));
    assert.equal(
      layers!.get("matmul_partial")! - none!.get("matmul_partial")!,
      3 * model.layerCount,
      "parts are not kept",
    );
  }
});

Deno.test("at 4 × 1024 tokens activations of twelve layers take a quarter less at level 1, a quarter of it at level 2", () => {
  for (const model of [gpt2Small, llamaSmall]) {
    const [all, cheap, layers] = ([0, 1, 2] as const).map((recompute) => {
      const { training, plannedBytes, bufferWords } = planTrainer({ model, microBatch: 4, recompute });
      assert.equal(plannedBytes, 4 * Object.values(bufferWords).reduce((sum, words) => sum + words, 0));
      return training.memory.slotWords.reduce((sum, words) => sum + words, 0);
    });
    const told = `${model.family}: ${all}, ${cheap} and ${layers} words`;
    assert.ok(cheap! < 0.75 * all! && layers! < 0.25 * all!, told);
  }
});
