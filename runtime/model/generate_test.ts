import { strict as assert } from "node:assert";
import { gpuTest, testDevice } from "../../tests/kernels/check.ts";
import { openCpuDevice } from "../device/cpu.ts";
import { type Device, whole } from "../device/device.ts";
import { openPlainDevice } from "../device/plain.ts";
import { inspect } from "../train/inspect.ts";
import type { ModelConfig } from "./config.ts";
import { type GenerationOptions, type Generator, openGenerator } from "./generate.ts";
import { nameOf, roughWeights, tinyGpt2, tinyLlama, tinyModels } from "../../tests/tiny_models.ts";

/** Nine tokens: as long as the context. */
const text = [3, 1, 4, 1, 5, 9, 2, 6, 5];

async function open(
  model: ModelConfig,
  { device = openPlainDevice(), chunkTokens = 4 }: { device?: Device; chunkTokens?: number } = {},
): Promise<Generator> {
  const weights = roughWeights(model), parameters = device.allocate(weights.length, "parameters");
  device.write(whole(parameters), weights);
  return await openGenerator({ device, model, parameters, chunkTokens });
}

/** Logits after every prefix of the text, by the training graph: no cache. */
async function uncachedLogits(model: ModelConfig): Promise<Float32Array[]> {
  const { logits } = await inspect({
    device: openPlainDevice(),
    model,
    weights: roughWeights(model),
    windows: [Uint32Array.of(...text, 0)],
  });
  const V = model.vocabularySize;
  return text.map((_, t) => Float32Array.from(logits.subarray(t * V, (t + 1) * V)));
}

/** Logits are below 10 here; each is off by some rounding units of 6e-7. */
function expectClose(found: Float32Array, wanted: Float32Array, title: string): void {
  found.forEach((value, id) => {
    assert.ok(Math.abs(value - wanted[id]!) < 1e-5, `${title}: token ${id} has ${value}, wanted ${wanted[id]}`);
  });
}

async function expectCachedEqualsUncached(model: ModelConfig, device?: Device): Promise<void> {
  const wanted = await uncachedLogits(model);
  for (const chunkTokens of [1, 4, 64]) {
    await using generator = await open(model, { chunkTokens, ...(device && { device }) });
    for (const length of [9, 3, 6]) { // a shorter prompt after a longer one: the cache holds leavings
      expectClose(await generator.logitsAfter(text.slice(0, length)), wanted[length - 1]!, `prompt of ${length}`);
      for (let position = length; position < text.length; position++) {
        const logits = await generator.logitsOfNext(text[position]!, position);
        expectClose(logits, wanted[position]!, `prompt of ${length}, position ${position}, chunks of ${chunkTokens}`);
      }
    }
  }
}

for (const model of tinyModels) {
  Deno.test(`logits with a cache equal logits without one, for ${nameOf(model)}`, async () => {
    await expectCachedEqualsUncached(model);
  });
}

Deno.test("logits with a cache on the cpu device equal logits without one", async () => {
  await using device = await openCpuDevice({ threads: 2 });
  await expectCachedEqualsUncached(tinyLlama, device);
});

gpuTest("logits with a cache on a GPU equal logits without one", async () => {
  await expectCachedEqualsUncached(tinyGpt2, await testDevice());
});

async function collect(generator: Generator, options: GenerationOptions): Promise<number[]> {
  return await Array.fromAsync(generator.generate([3, 1], options));
}

Deno.test("generate() gives the same tokens for the same seed and others for another", async () => {
  await using generator = await open(tinyLlama);
  const tokens = await collect(generator, { tokenCount: 30, seed: 1 });
  assert.equal(tokens.length, 30);
  assert.deepEqual(await collect(generator, { tokenCount: 30, seed: 1 }), tokens);
  assert.deepEqual(await collect(generator, { tokenCount: 12, seed: 1 }), tokens.slice(0, 12));
  assert.notDeepEqual(await collect(generator, { tokenCount: 30, seed: 2 }), tokens);
});

Deno.test("generate() at temperature 0 takes the likeliest token each time and slides when the context is full", async () => {
  await using generator = await open(tinyGpt2);
  await using other = await open(tinyGpt2);
  const found = await collect(generator, { tokenCount: 20, seed: 1, temperature: 0 });
  let context = [3, 1];
  for (const [i, token] of found.entries()) {
    const logits = await other.logitsAfter(context);
    assert.equal(token, logits.indexOf(Math.max(...logits)), `token ${i} after ${context}`);
    context = [...context.length === 9 ? context.slice(-4) : context, token];
  }
});

Deno.test("generate() stops when it is aborted", async () => {
  await using generator = await open(tinyGpt2);
  const controller = new AbortController(), tokens: number[] = [];
  await assert.rejects(async () => {
    for await (const token of generator.generate([1], { tokenCount: 9, seed: 1, signal: controller.signal })) {
      tokens.push(token);
      if (tokens.length === 3) controller.abort(new Error("enough"));
    }
  }, /enough/);
  assert.equal(tokens.length, 3);
});

Deno.test("a generator refuses empty prompts and strange tokens, and frees what it allocated", async () => {
  const device = openPlainDevice();
  const generator = await open(tinyGpt2, { device });
  await assert.rejects(generator.logitsAfter([]), /prompt of 0 tokens: 1 to 9 are possible/);
  await assert.rejects(generator.logitsAfter([13]), /token 13: the model knows 0 to 12/);
  await assert.rejects(generator.logitsOfNext(1, 9), /position 9: the context ends at 9/);
  await generator[Symbol.asyncDispose]();
  assert.equal(device.memory().bytes, roughWeights(tinyGpt2).length * 4);
});
