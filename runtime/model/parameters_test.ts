import { strict as assert } from "node:assert";
import { type ModelConfig, modelConfigSchema } from "./config.ts";
import { findParameter, initialWeights, parameterLayout, valuesOf } from "./parameters.ts";

const gpt2: ModelConfig = modelConfigSchema.parse({
  family: "gpt2",
  vocabularySize: 50_257,
  contextLength: 1024,
  layerCount: 12,
  headCount: 12,
  keyValueHeadCount: 12,
  width: 768,
  hiddenWidth: 3072,
  tied: true,
});
const llama: ModelConfig = modelConfigSchema.parse({
  family: "llama",
  vocabularySize: 101,
  contextLength: 16,
  layerCount: 2,
  headCount: 4,
  keyValueHeadCount: 2,
  width: 24,
  hiddenWidth: 36,
  tied: false,
});

Deno.test("parameterLayout() counts the 124,439,808 parameters of GPT-2 small", () => {
  assert.equal(parameterLayout(gpt2).parameterCount, 124_439_808);
});

Deno.test("parameterLayout() aligns every tensor, lets none overlap and puts what decays first", () => {
  for (const config of [gpt2, llama]) {
    const { parameters, words, decayedWords } = parameterLayout(config);
    let end = 0;
    for (const { name, shape, start, words: own } of parameters) {
      assert.equal(start % 64, 0, name);
      assert.ok(start >= end && start - end < 64, `${name} leaves a gap or overlaps`);
      assert.equal(start < decayedWords, shape.length === 2, `${name} is on the wrong side of the decay`);
      end = start + own;
    }
    assert.ok(words >= end && words % 64 === 0);
    assert.equal(new Set(parameters.map(({ name }) => name)).size, parameters.length);
  }
});

Deno.test("parameterLayout() packs query, key and value rows by heads, and gate with up", () => {
  const layout = parameterLayout(llama);
  assert.deepEqual(findParameter(layout, "layer.1.attention.qkv.weight").shape, [(4 + 2 * 2) * 6, 24]);
  assert.deepEqual(findParameter(layout, "layer.0.mlp.gate_up.weight").shape, [72, 24]);
  assert.deepEqual(findParameter(layout, "head").shape, [101, 24]);
  assert.throws(() => findParameter(layout, "layer.2.mlp.down.weight"), /this model has none of that name/);
});

Deno.test("initialWeights() are the same bits in every run, and other bits for another seed", () => {
  const weights = initialWeights(llama, 7);
  assert.equal(checksum(weights), 3618384149);
  assert.notEqual(checksum(initialWeights(llama, 8)), checksum(weights));
});

Deno.test("initialWeights() have GPT-2's deviations, and zeros between the tensors", () => {
  const layout = parameterLayout(llama), weights = initialWeights(llama, 7);
  const isPadding = new Uint8Array(layout.words).fill(1);
  for (const parameter of layout.parameters) {
    isPadding.fill(0, parameter.start, parameter.start + parameter.words);
    const values = valuesOf(weights, parameter);
    const deviation = Math.sqrt(values.reduce((sum, value) => sum + value * value, 0) / values.length);
    const wanted = { normal: 0.02, residual: 0.01, one: 1, zero: 0 }[parameter.initial];
    // The deviation of n draws strays by 1/√(2n) of itself: 5 of those for the smallest matrix (576 values) is 15 %.
    assert.ok(Math.abs(deviation - wanted) <= 0.15 * (wanted === 1 ? 0 : wanted), `${parameter.name}: ${deviation}`);
  }
  assert.ok(weights.every((value, i) => isPadding[i] === 0 || value === 0));
});

/** FNV-1a over the bits. */
function checksum(values: Float32Array<ArrayBuffer>): number {
  return new Uint32Array(values.buffer).reduce((hash, word) => Math.imul(hash ^ word, 0x0100_0193) >>> 0, 0x811c_9dc5);
}
