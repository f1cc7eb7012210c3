import { strict as assert } from "node:assert";
import { joinBytes, memoryFolder, memoryReader } from "../folder.ts";
import { diskFolder } from "../folder_disk.ts";
import type { ModelConfig } from "./config.ts";
import { ModelFolderError, readFolder, readTensors, writeFolder, writeTensors } from "./huggingface.ts";
import { findParameter, initialWeights, parameterLayout, valuesOf } from "./parameters.ts";
import { encodeSafetensors, openSafetensors, SafetensorsError, type TensorToWrite } from "./safetensors.ts";

const GPT2: ModelConfig = {
  ...{ family: "gpt2", vocabularySize: 11, contextLength: 5, layerCount: 2, headCount: 2, keyValueHeadCount: 2 },
  ...{ width: 6, hiddenWidth: 10, tied: true, normEpsilon: 1e-5, ropeTheta: 10_000 },
};
const LLAMA: ModelConfig = {
  ...{ family: "llama", vocabularySize: 11, contextLength: 5, layerCount: 2, headCount: 4, keyValueHeadCount: 2 },
  ...{ width: 8, hiddenWidth: 7, tied: false, normEpsilon: 1e-6, ropeTheta: 5000 },
};
const MODELS = { gpt2: GPT2, llama: LLAMA, "tied llama": { ...LLAMA, tied: true } };
const SEED = 3;

/** Tensors of a model as if from a file. */
function tensors(config: ModelConfig, change: (tensors: TensorToWrite[]) => TensorToWrite[] = (same) => same) {
  const written = change(writeTensors(initialWeights(config, SEED), config));
  return openSafetensors(memoryReader(joinBytes([...encodeSafetensors(written)]), "m.safetensors"));
}

for (const [name, config] of Object.entries(MODELS)) {
  Deno.test(`A folder of a ${name} gives back the configuration, every weight and the tokenizer`, async () => {
    const folder = memoryFolder(), weights = initialWeights(config, SEED);
    await writeFolder(folder, { config, weights, tokenizerJson: '{"ü":1}' });
    assert.deepEqual(await readFolder(folder), { config, weights, tokenizerJson: '{"ü":1}' });
    assert.ok(folder.files.has("tokenizer_config.json"));
  });

  Deno.test(`Weights of a ${name} are read with the prefix of their family or without`, () => {
    const prefix = config.family === "gpt2" ? "transformer." : "model.";
    const bare = tensors(config, (all) => all.map((one) => ({ ...one, name: one.name.replace(prefix, "") })));
    assert.deepEqual(readTensors(bare, config), initialWeights(config, SEED));
  });

  Deno.test(`Each missing or misshaped tensor of a ${name} is named`, () => {
    for (const [index, { name: tensor, shape }] of writeTensors(initialWeights(config, SEED), config).entries()) {
      const escaped = tensor.replaceAll(".", "\\.");
      assert.throws(
        () => readTensors(tensors(config, (all) => all.toSpliced(index, 1)), config),
        new RegExp(`m\\.safetensors .*it has no tensor '${escaped}'`),
      );
      const longer = { name: tensor, shape: [shape[0]! + 1, ...shape.slice(1)] };
      const values = () => new Float32Array(longer.shape.reduce((a, b) => a * b));
      const file = tensors(config, (all) => all.with(index, { ...longer, values }));
      assert.throws(() => readTensors(file, config), (error: Error) => {
        assert.ok(error instanceof SafetensorsError);
        assert.ok(
          error.message.includes(`'${tensor}' has the shape [${longer.shape}] and [${shape}] is wanted`),
          error.message,
        );
        return true;
      });
    }
  });
}

Deno.test("GPT-2's matrices lie transposed in a file, its embeddings do not", () => {
  const file = tensors(GPT2), weights = initialWeights(GPT2, SEED), layout = parameterLayout(GPT2);
  const up = valuesOf(weights, findParameter(layout, "layer.1.mlp.up.weight")); // (10, 6)
  const theirs = file.read("transformer.h.1.mlp.c_fc.weight", [6, 10]);
  for (let o = 0; o < 10; o++) for (let i = 0; i < 6; i++) assert.equal(theirs[i * 10 + o], up[o * 6 + i]);
  assert.deepEqual(
    file.read("transformer.wte.weight", [11, 6]),
    valuesOf(weights, findParameter(layout, "token_embedding")).slice(),
  );
});

Deno.test("Llama's packed rows are query, key, value, and gate, up", () => {
  const file = tensors(LLAMA), weights = initialWeights(LLAMA, SEED), layout = parameterLayout(LLAMA);
  const packed = valuesOf(weights, findParameter(layout, "layer.0.attention.qkv.weight")); // (8 + 4 + 4, 8)
  const own = (part: string, rows: number) => file.read(`model.layers.0.${part}.weight`, [rows, 8]);
  assert.deepEqual(own("self_attn.q_proj", 8), packed.slice(0, 64));
  assert.deepEqual(own("self_attn.k_proj", 4), packed.slice(64, 96));
  assert.deepEqual(own("self_attn.v_proj", 4), packed.slice(96, 128));
  const gateUp = valuesOf(weights, findParameter(layout, "layer.0.mlp.gate_up.weight"));
  assert.deepEqual(own("mlp.gate_proj", 7), gateUp.slice(0, 56));
  assert.deepEqual(own("mlp.up_proj", 7), gateUp.slice(56));
});

Deno.test("Constants that old versions saved are ignored, anything else too many is an error", () => {
  const extra = (name: string) => (all: TensorToWrite[]) => [
    ...all,
    { name, shape: [1], values: () => new Float32Array(1) },
  ];
  readTensors(tensors(GPT2, extra("transformer.h.0.attn.bias")), GPT2);
  readTensors(tensors(GPT2, extra("h.1.attn.masked_bias")), GPT2);
  readTensors(tensors(LLAMA, extra("model.layers.0.self_attn.rotary_emb.inv_freq")), LLAMA);
  for (
    const [config, name] of [[GPT2, "transformer.h.2.ln_1.bias"], [
      LLAMA,
      "model.layers.0.self_attn.q_proj.bias",
    ]] as const
  ) {
    assert.throws(() => readTensors(tensors(config, extra(name)), config), (error: Error) => {
      assert.ok(error instanceof ModelFolderError);
      assert.ok(error.message.includes(`tensor '${name}' is not part of a ${config.family} model of 2 layers`));
      return true;
    });
  }
});

Deno.test("A repeated output layer of a tied model must be the embedding", () => {
  const head = (factor: number) => (all: TensorToWrite[]) => {
    const table = all.find(({ name }) => name.endsWith("wte.weight"))!;
    return [...all, { ...table, name: "lm_head.weight", values: () => table.values().map((value) => value * factor) }];
  };
  assert.deepEqual(readTensors(tensors(GPT2, head(1)), GPT2), initialWeights(GPT2, SEED));
  assert.throws(
    () => readTensors(tensors(GPT2, head(2)), GPT2),
    /lm_head.weight differs from 'transformer.wte.weight'/,
  );
});

Deno.test("Folders of transformers are read and written back tensor for tensor", async () => {
  for (const name of ["gpt2", "llama"]) {
    const folder = diskFolder(`${import.meta.dirname}/../../tests/golden/${name}`);
    const { config, weights } = await readFolder(folder);
    const theirs = openSafetensors((await folder.open("model.safetensors"))!);
    const written = writeTensors(weights, config);
    assert.deepEqual(written.map((tensor) => tensor.name).toSorted(), [...theirs.tensors.keys()].toSorted());
    for (const tensor of written) assert.deepEqual(tensor.values().slice(), theirs.read(tensor.name, tensor.shape));
  }
});

Deno.test("A configuration that we would compute differently is refused, with field and value", async () => {
  const cases: [keyof typeof MODELS, Record<string, unknown>, RegExp][] = [
    ["gpt2", { model_type: "opt" }, /'model_type'/],
    ["gpt2", { activation_function: "relu" }, /'activation_function': .*gelu_new.*, found "relu"/],
    ["gpt2", { scale_attn_by_inverse_layer_idx: true }, /'scale_attn_by_inverse_layer_idx'.*found true/],
    ["gpt2", { tie_word_embeddings: false }, /'tie_word_embeddings'/],
    ["gpt2", { n_embd: "wide" }, /'n_embd'.*found "wide"/],
    ["gpt2", { n_head: 4 }, /'width': must be a multiple of headCount \(4\): found 6/],
    ["llama", { hidden_act: "gelu" }, /'hidden_act'/],
    ["llama", { attention_bias: true }, /'attention_bias'/],
    ["llama", { head_dim: 16 }, /'head_dim': must be hidden_size \/ num_attention_heads/],
    [
      "llama",
      { rope_parameters: { rope_type: "llama3", rope_theta: 5e5 } },
      /'rope_parameters.rope_type'.*found "llama3"/,
    ],
    ["llama", { rope_scaling: { type: "linear", factor: 2 } }, /'rope_scaling.type'/],
    ["llama", { num_key_value_heads: 3 }, /'keyValueHeadCount'/],
  ];
  for (const [model, change, message] of cases) {
    const folder = memoryFolder("here"), config = MODELS[model];
    await writeFolder(folder, { config, weights: initialWeights(config, SEED), tokenizerJson: null });
    const json = { ...JSON.parse(new TextDecoder().decode(folder.files.get("config.json"))), ...change };
    await folder.write("config.json", [new TextEncoder().encode(JSON.stringify(json))]);
    await assert.rejects(readFolder(folder), (error: Error) => {
      assert.ok(error instanceof ModelFolderError, String(error));
      assert.match(error.message, /here\/config\.json/);
      assert.match(error.message, message);
      return true;
    });
  }
});

Deno.test("A configuration that is not that of the tensors is refused before memory is taken for it", () => {
  const huge = { ...LLAMA, vocabularySize: 1_048_576, width: 65_536, headCount: 512, layerCount: 256 }; // 10^13 values
  assert.throws(() => readTensors(tensors(LLAMA), huge), SafetensorsError);
});

Deno.test("A folder without its files says which one is missing", async () => {
  const folder = memoryFolder("here");
  await assert.rejects(readFolder(folder), /here: it has no config\.json/);
  await writeFolder(folder, { config: GPT2, weights: initialWeights(GPT2, SEED), tokenizerJson: null });
  folder.files.delete("model.safetensors");
  await assert.rejects(readFolder(folder), /here: it has no model\.safetensors/);
  folder.files.set("config.json", Uint8Array.of(0xff));
  await assert.rejects(readFolder(folder), /Cannot read here\/config\.json/);
});
