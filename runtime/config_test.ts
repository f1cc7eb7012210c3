import { strict as assert } from "node:assert";
import { tinyRun } from "../tests/tiny_run.ts";
import { ConfigError, parseRunConfig } from "./config.ts";

const outerOf = (outer: Record<string, unknown>) => parseRunConfig(JSON.stringify({ ...tinyRun(), outer })).outer;

Deno.test("a run without a codec lets measured links choose", () => {
  assert.equal(outerOf({}).codec, "auto");
});

Deno.test("a codec that may be sparse goes with plain averaging alone, and the message says what to choose", () => {
  for (const codec of ["auto", "topk"]) {
    assert.equal(outerOf({ codec }).codec, codec);
    for (const wrong of [{ momentum: 0.9 }, { learningRate: 0.7 }]) {
      assert.throws(() => outerOf({ codec, ...wrong }), (error: unknown) => {
        assert.ok(error instanceof ConfigError);
        assert.match(error.message, /'outer': must have learningRate 1 and momentum 0.*choose int8/);
        return true;
      });
    }
  }
  assert.throws(() => outerOf({ codec: "topk", robust: "trimmed-mean" }), /must not trim.*choose int8/);
  assert.equal(outerOf({ codec: "int8", robust: "trimmed-mean" }).robust, "trimmed-mean");
  for (const codec of ["int8", "f32"]) assert.equal(outerOf({ codec, momentum: 0.9, learningRate: 0.7 }).codec, codec);
});

const batchingOf = (batching?: Record<string, unknown>) =>
  parseRunConfig(JSON.stringify({ ...tinyRun(), batching })).batching;

Deno.test("a run without batching has a constant batch; a policy brings its own defaults", () => {
  const limits = { most: null, ceiling: null };
  assert.deepEqual(batchingOf(), { policy: "constant", ...limits });
  const normTest = { policy: "norm-test", eta: 0.7, statistic: "halves", estimator: "debiased", ...limits };
  assert.deepEqual(batchingOf({ policy: "norm-test" }), normTest);
  assert.deepEqual(batchingOf({ policy: "inner-product" }), { policy: "inner-product", theta: 0.5, nu: 1, ...limits });
  const warmup = { policy: "warmup", to: 96, tokens: 5_000 };
  assert.deepEqual(batchingOf(warmup), { ...warmup, shape: "doubling", ...limits });
});

Deno.test("AdLoCo's defaults are the corrected variant's, or those of the authors' code", () => {
  const common = { policy: "adloco", lineages: 4, mergeEvery: 2, most: null, ceiling: null };
  assert.deepEqual(batchingOf({ policy: "adloco" }), {
    ...common,
    ...{ variant: "corrected", test: "norm", switch: "accumulate", eta: 0.7, theta: 0.5, nu: 1 },
  });
  assert.deepEqual(batchingOf({ policy: "adloco", variant: "published", nu: 0.15 }), {
    ...common,
    ...{ variant: "published", test: "inner-product", switch: "threshold", eta: 0.8, theta: 0.3, nu: 0.15 },
  });
});

Deno.test("batching that cannot work is refused with the field and the reason", () => {
  const refuses = (batching: Record<string, unknown>, message: RegExp) =>
    assert.throws(() => batchingOf(batching), { name: "ConfigError", message });
  refuses({ policy: "bigger" }, /'batching\.policy': Invalid/);
  refuses({ policy: "norm-test", nu: 1 }, /'batching': Unrecognized key: "nu"/);
  refuses({ policy: "norm-test", eta: 0 }, /'batching\.eta': .*>=0\.01, found 0/);
  refuses(
    { policy: "norm-test", eta: 1, estimator: "plug-in" },
    /'batching\.eta': .*never grows else; choose debiased/,
  );
  assert.equal(batchingOf({ policy: "norm-test", eta: 1 }).policy, "norm-test");
  refuses({ policy: "warmup", tokens: 5_000 }, /'batching\.to': .*expected number/);
  refuses({ policy: "warmup", to: 11, tokens: 5_000 }, /'batching\.to': must not be less than training\.batch/);
  refuses({ policy: "constant", most: 11 }, /'batching\.most': must not be less than training\.batch.*, found 11$/);
  refuses({ policy: "norm-test", ceiling: 383 }, /'batching\.ceiling': must not be less than the first .*, found 383$/);
  assert.equal(batchingOf({ policy: "norm-test", ceiling: 384 }).ceiling, 384);
  assert.equal(batchingOf({ policy: "constant", ceiling: 383 }).ceiling, 383, "a measured one, which nothing goes by");
  refuses({ policy: "norm-test", growth: 1 }, /'batching': Unrecognized key: "growth"/);
  refuses({ policy: "adloco", lineages: 0 }, /'batching\.lineages': .*>=1, found 0/);
  refuses({ policy: "adloco", lineages: 17 }, /'batching\.lineages': .*<=16, found 17/);
  refuses({ policy: "adloco", mergeEvery: 0 }, /'batching\.mergeEvery'/);
  refuses({ policy: "adloco", switch: "sometimes" }, /'batching\.switch'/);
  refuses(
    { policy: "adloco", variant: "published", test: "norm", eta: 1 },
    /'batching\.eta': .*published norm test, whose batch never grows else/,
  );
  refuses({ policy: "constant", most: 2 ** 20 + 1 }, /'batching\.most': .*<=1048576/);
  refuses({ policy: "constant", ceiling: 0.5 }, /'batching\.ceiling'/);
});

Deno.test("more lineages than the data has windows are refused", () => {
  const data = { kind: "markov", seed: 3, symbolCount: 16, tokenCount: 1024 } as const, { model } = tinyRun();
  const read = (lineages: number) =>
    tinyRun({ data, model: { ...model, contextLength: 256 }, batching: { policy: "adloco", lineages } as never });
  assert.equal(read(4).batching.policy, "adloco");
  assert.throws(() => read(5), /'batching\.lineages': must not be more than the data has windows/);
});

Deno.test("a model whose states could not be handed on is refused by its size, before anything of that size is made", () => {
  const { model } = tinyRun();
  const read = (changes: Partial<typeof model>, momentum = 0) =>
    parseRunConfig(JSON.stringify(
      { ...tinyRun(), model: { ...model, ...changes }, outer: { ...tinyRun().outer, momentum } },
    ));
  const absurd = { width: 32_768, headCount: 256, keyValueHeadCount: 256, hiddenWidth: 262_144, layerCount: 256 };
  assert.throws(() => read(absurd), {
    name: "ConfigError",
    message:
      /'model': has 5\d{3}\.\d G parameters, so that a state takes 2\d{4}\.\d GB: at most 8\.6 GB can be handed on; make width/,
  });
  const large = { width: 8_192, headCount: 64, keyValueHeadCount: 64, hiddenWidth: 8_192, layerCount: 5 };
  assert.equal(read(large).model.width, 8_192);
  assert.throws(() => read(large, 0.9), /'model': has 2\.\d G parameters/, "momentum goes with the state");
  assert.throws(() => read({ ...large, layerCount: 6 }), /'model': has 2\.\d G parameters/);
});

Deno.test("a count of layers that nothing could list is refused by its range alone", () => {
  const { model } = tinyRun();
  const text = JSON.stringify({ ...tinyRun(), model: { ...model, layerCount: 2 ** 53 - 1 } });
  assert.throws(() => parseRunConfig(text), {
    name: "ConfigError",
    message: /'model\.layerCount': .*<=256, found 9007/,
  });
});

Deno.test("data and tokenizers of absurd size are refused, with the most that is possible", () => {
  const refuses = (changes: Record<string, unknown>, message: RegExp) =>
    assert.throws(() => parseRunConfig(JSON.stringify({ ...tinyRun(), ...changes })), { name: "ConfigError", message });
  const markov = { kind: "markov", seed: 3, symbolCount: 16, tokenCount: 1e15 };
  refuses({ data: markov }, /'data\.tokenCount': .*<=268435456, found 1000000000000000/);
  const shard = { blob: "a".repeat(64), sizeBytes: 1e15, tokenCount: 1e6 };
  refuses({ data: { kind: "shards", shards: [shard] } }, /'data\.shards\.0\.sizeBytes': .*<=8589934592, found/);
  const bpe = { kind: "bpe", blob: "a".repeat(64), sizeBytes: 1e12 };
  refuses({ tokenizer: bpe }, /'tokenizer\.sizeBytes': .*<=268435456, found/);
});

Deno.test("a run.json of a newer version is refused by its version alone, whatever else is new in it", () => {
  const text = JSON.stringify({ ...tinyRun(), version: 2, colour: "red" });
  assert.throws(() => parseRunConfig(text, "club/run.json"), {
    name: "ConfigError",
    message: "Cannot use club/run.json: it is of version 2, newer than this program understands (1). Update it",
  });
});
