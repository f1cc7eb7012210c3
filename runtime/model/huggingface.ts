/**
 * Hugging Face model folders: `config.json`, `model.safetensors` and tokenizer files, of GPT-2 and Llama.
 *
 * What is theirs and not ours: tensor names; GPT-2's matrices, which are (in, out); Llama's query, key, value, gate and
 * up projections, which are five tensors where we have two packed ones. `huggingface_names.ts` is the table of it,
 * `huggingface_config.ts` the two forms of a configuration. A folder that we would compute differently (another
 * activation, scaled rotary angles …) is refused, never approximated.
 * @module
 */
import { type Folder, readText } from "../folder.ts";
import type { ModelConfig } from "./config.ts";
import { fromHuggingFaceConfig, ModelFolderError, toHuggingFaceConfig } from "./huggingface_config.ts";
import { isKnownBuffer, namesOf, OPTIONAL_PREFIX, type Part } from "./huggingface_names.ts";
import { parameterLayout, valuesOf } from "./parameters.ts";
import { encodeSafetensors, openSafetensors, type TensorFile, type TensorToWrite } from "./safetensors.ts";

export { ModelFolderError };

/** A model as a folder holds it. */
export interface ModelFolder {
  readonly config: ModelConfig;
  /** The arena of `parameterLayout(config)`. */
  readonly weights: Float32Array<ArrayBuffer>;
  /** Text of `tokenizer.json`, or null if the folder has none. */
  readonly tokenizerJson: string | null;
}

/**
 * Reads a model.
 * @throws {ModelFolderError} if a file is missing or the configuration asks for what we do not compute.
 * @throws {SafetensorsError} if the weights are damaged or have other shapes than the configuration says.
 */
export async function readFolder(folder: Folder): Promise<ModelFolder> {
  const configText = await readFile(folder, "config.json");
  if (configText === null) {
    throw new ModelFolderError(`Cannot read a model from ${folder.source}: it has no config.json; is this the folder?`);
  }
  const config = fromHuggingFaceConfig(configText, `${folder.source}/config.json`);
  const reader = await folder.open("model.safetensors");
  if (reader === null) {
    throw new ModelFolderError(
      `Cannot read a model from ${folder.source}: it has no model.safetensors; weights in several files or as ` +
        `pytorch_model.bin are not read: save them again with save_pretrained(…, max_shard_size="100GB")`,
    );
  }
  const weights = readTensors(openSafetensors(reader), config);
  return { config, weights, tokenizerJson: await readFile(folder, "tokenizer.json") };
}

/** Writes a model that `transformers` loads: the four files of a model with its tokenizer, two without. */
export async function writeFolder(folder: Folder, { config, weights, tokenizerJson }: ModelFolder): Promise<void> {
  const text = (value: unknown) => [new TextEncoder().encode(`${JSON.stringify(value, null, 2)}\n`)];
  await folder.write("config.json", text(toHuggingFaceConfig(config)));
  await folder.write("model.safetensors", encodeSafetensors(writeTensors(weights, config), { format: "pt" }));
  if (tokenizerJson === null) return;
  await folder.write("tokenizer.json", [new TextEncoder().encode(tokenizerJson)]);
  await folder.write(
    "tokenizer_config.json",
    text({
      tokenizer_class: "PreTrainedTokenizerFast",
      clean_up_tokenization_spaces: false,
      model_max_length: config.contextLength,
    }),
  );
}

async function readFile(folder: Folder, name: string): Promise<string | null> {
  const reader = await folder.open(name);
  if (reader === null) return null;
  try {
    return readText(reader);
  } catch (cause) {
    throw new ModelFolderError(`Cannot read ${reader.source}: ${(cause as Error).message}`, { cause });
  }
}

/**
 * The arena of a model from tensors under Hugging Face's names, with their prefix or without.
 * @throws {ModelFolderError} for a tensor too many.
 * @throws {SafetensorsError} for a tensor too few, or of another shape.
 */
export function readTensors(file: TensorFile, config: ModelConfig): Float32Array<ArrayBuffer> {
  const prefix = OPTIONAL_PREFIX[config.family];
  const isPrefixed = [...file.tensors.keys()].some((name) => name.startsWith(prefix));
  const inFile = (name: string) => (isPrefixed || !name.startsWith(prefix) ? name : name.slice(prefix.length));

  const layout = parameterLayout(config);
  // Before memory is taken by what config.json says.
  for (const parameter of layout.parameters) {
    for (const { name, shape } of namesOf(parameter, config)) file.find(inFile(name), shape);
  }
  const weights = new Float32Array(layout.words), known = new Set<string>();
  for (const parameter of layout.parameters) {
    const values = valuesOf(weights, parameter);
    let at = 0;
    for (const part of namesOf(parameter, config)) {
      const name = inFile(part.name);
      known.add(name);
      const read = file.read(name, part.shape);
      values.set(part.transposed ? transpose(read, part) : read, at);
      at += read.length;
    }
  }
  checkTiedHead(file, { config, embedding: inFile(namesOf(layout.parameters[0]!, config)[0]!.name), known });
  for (const name of file.tensors.keys()) {
    if (known.has(name) || isKnownBuffer(name, config.family)) continue;
    throw new ModelFolderError(
      `Cannot read ${file.source}: tensor '${name}' is not part of a ${config.family} model of ${config.layerCount} ` +
        `layers; config.json and weights do not belong together, or this is another kind of model`,
    );
  }
  return weights;
}

interface TiedHead {
  readonly config: ModelConfig;
  readonly embedding: string;
  readonly known: Set<string>;
}

/** Old files repeat a tied output layer; it must then be the embedding. */
function checkTiedHead(file: TensorFile, { config, embedding, known }: TiedHead): void {
  if (!config.tied || !file.tensors.has("lm_head.weight")) return;
  known.add("lm_head.weight");
  const shape = [config.vocabularySize, config.width];
  const head = file.read("lm_head.weight", shape), table = file.read(embedding, shape);
  if (head.every((value, i) => value === table[i])) return;
  throw new ModelFolderError(
    `Cannot read ${file.source}: its lm_head.weight differs from '${embedding}', and config.json ties them; ` +
      `set "tie_word_embeddings" to false (llama)`,
  );
}

/** The tensors of a model under Hugging Face's names; copies are made one at a time. */
export function writeTensors(weights: Float32Array, config: ModelConfig): TensorToWrite[] {
  const layout = parameterLayout(config);
  if (weights.length !== layout.words) {
    throw new RangeError(`Cannot write a model: ${weights.length} weights, its configuration has ${layout.words}`);
  }
  return layout.parameters.flatMap((parameter) => {
    const values = valuesOf(weights, parameter);
    let end = 0;
    return namesOf(parameter, config).map((part): TensorToWrite => {
      const own = values.subarray(end, end += part.shape.reduce((product, size) => product * size, 1));
      return { name: part.name, shape: part.shape, values: () => (part.transposed ? transposeBack(own, part) : own) };
    });
  });
}

/** From their (in, out) to our (out, in). */
function transpose(values: Float32Array, { shape }: Part): Float32Array {
  const [inner, outer] = shape as readonly [number, number];
  const out = new Float32Array(values.length);
  for (let i = 0; i < inner; i++) {
    for (let o = 0; o < outer; o++) out[o * inner + i] = values[i * outer + o]!;
  }
  return out;
}

/** From our (out, in) to their (in, out). */
function transposeBack(values: Float32Array, { shape: [inner, outer], ...part }: Part): Float32Array {
  return transpose(values, { ...part, shape: [outer!, inner!] });
}
