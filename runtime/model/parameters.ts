/**
 * Where every parameter of a model lies in one flat arena, and the weights that a run starts with.
 *
 * Gradients, moments, anchor and residual have the same layout, so that optimizer, clip, codec, digest and checkpoint
 * are operations on one vector. Matrices are (out, in), the layout of a PyTorch `Linear`.
 *
 * The one thing to know before editing: **the layout is part of what peers agree on** (weights travel as arenas), so
 * its order is fixed. Matrices and embeddings come first, because they decay and the `adamw` kernel takes their number
 * of words; between tensors there is padding, which is zero and stays zero.
 *
 * | tensor                            | shape           | rows of a packed matrix                                |
 * | --------------------------------- | --------------- | ------------------------------------------------------ |
 * | `token_embedding`                 | (V, C)          | also the output layer if tied                          |
 * | `position_embedding`              | (T, C)          | gpt2                                                   |
 * | `layer.i.attention.qkv.weight`    | ((H+2G)·D, C)   | q: 0 … H·D, k: … (H+G)·D, v: … (H+2G)·D; a head is D rows |
 * | `layer.i.attention.out.weight`    | (C, H·D)        |                                                        |
 * | `layer.i.mlp.up.weight`           | (F, C)          | gpt2                                                   |
 * | `layer.i.mlp.gate_up.weight`      | (2F, C)         | llama; gate: 0 … F, up: F … 2F                         |
 * | `layer.i.mlp.down.weight`         | (C, F)          |                                                        |
 * | `head`                            | (V, C)          | if not tied                                            |
 * | `layer.i.attention_norm.weight`   | (C)             | before attention; gpt2 also `.bias`                    |
 * | `layer.i.mlp_norm.weight`         | (C)             | before the feed-forward part; gpt2 also `.bias`        |
 * | `layer.i.attention.qkv.bias` …    | (rows)          | gpt2: a bias for each of the four matrices of a layer  |
 * | `final_norm.weight`               | (C)             | gpt2 also `.bias`                                      |
 * @module
 */
import { headSize, type ModelConfig } from "./config.ts";
import { nearlyNormal, randomWords } from "./random.ts";

/** One named tensor of the arena. */
export interface Parameter {
  readonly name: string;
  readonly shape: readonly number[];
  /** First word in the arena: a multiple of 64. */
  readonly start: number;
  /** Values, without padding. */
  readonly words: number;
  readonly initial: Initial;
  /** Whether it is a matrix that activations are multiplied with. */
  readonly isFactor: boolean;
}

/** `residual` is `normal`, smaller by √(2 · layers): what each layer adds to the stream must not grow with depth. */
export type Initial = "normal" | "residual" | "one" | "zero";

/** Every parameter's place in the arena of one model. */
export interface ParameterLayout {
  /** In the order of the arena. */
  readonly parameters: readonly Parameter[];
  /** Length of the arena, padding included. */
  readonly words: number;
  /** The first words of the arena, padding included, that weight decay applies to. */
  readonly decayedWords: number;
  /** Values without padding: the size of the model. */
  readonly parameterCount: number;
}

/** Tensors start at multiples of this many words: what devices ask of a span. */
const ALIGNMENT_WORDS = 64;
const DEVIATION = 0.02;

type Definition = Omit<Parameter, "start" | "words">;

/** The layout of a model's arenas. The same configuration gives the same layout on every peer. */
export function parameterLayout(config: ModelConfig): ParameterLayout {
  const definitions = define(config);
  const isDecayed = ({ shape }: Definition) => shape.length > 1;
  let start = 0, parameterCount = 0;
  const place = (definition: Definition): Parameter => {
    const words = definition.shape.reduce((product, size) => product * size, 1);
    const parameter = { ...definition, start, words };
    start += Math.ceil(words / ALIGNMENT_WORDS) * ALIGNMENT_WORDS;
    parameterCount += words;
    return parameter;
  };
  const decayed = definitions.filter(isDecayed).map(place);
  const decayedWords = start;
  const others = definitions.filter((definition) => !isDecayed(definition)).map(place);
  return { parameters: [...decayed, ...others], words: start, decayedWords, parameterCount };
}

/** A parameter by its name. */
export function findParameter({ parameters }: ParameterLayout, name: string): Parameter {
  const parameter = parameters.find((candidate) => candidate.name === name);
  if (parameter === undefined) {
    throw new RangeError(`Cannot find parameter '${name}': this model has none of that name`);
  }
  return parameter;
}

/** The values of one parameter inside an arena: a view, not a copy. */
export function valuesOf<A extends Float32Array | Float64Array>(arena: A, { start, words }: Parameter): A {
  return arena.subarray(start, start + words) as A;
}

/**
 * The weights that a run starts with, as GPT-2's: deviation 0.02, smaller for the matrices that write to the residual
 * stream; norms 1, biases 0. Bit for bit the same on every machine.
 */
export function initialWeights(config: ModelConfig, seed: number): Float32Array<ArrayBuffer> {
  const { parameters, words } = parameterLayout(config);
  const arena = new Float32Array(words);
  for (const [stream, parameter] of parameters.entries()) {
    const values = valuesOf(arena, parameter);
    if (parameter.initial === "zero") continue;
    if (parameter.initial === "one") {
      values.fill(1);
      continue;
    }
    const deviation = parameter.initial === "residual" ? DEVIATION / Math.sqrt(2 * config.layerCount) : DEVIATION;
    const next = randomWords(seed, stream);
    for (let i = 0; i < values.length; i++) values[i] = nearlyNormal(next) * deviation;
  }
  return arena;
}

/** All tensors in the order of the forward pass. */
function define(config: ModelConfig): Definition[] {
  const { family, vocabularySize: V, contextLength: T, width: C, hiddenWidth: F, layerCount, tied } = config;
  const heads = config.headCount * headSize(config);
  const packed = heads + 2 * config.keyValueHeadCount * headSize(config);
  const isGpt2 = family === "gpt2";

  const matrix = (name: string, rows: number, columns: number, initial: Initial = "normal"): Definition[] => [
    { name: `${name}.weight`, shape: [rows, columns], initial, isFactor: true },
    ...(isGpt2 ? [{ name: `${name}.bias`, shape: [rows], initial: "zero", isFactor: false } as const] : []),
  ];
  const norm = (name: string): Definition[] => [
    { name: `${name}.weight`, shape: [C], initial: "one", isFactor: false },
    ...(isGpt2 ? [{ name: `${name}.bias`, shape: [C], initial: "zero", isFactor: false } as const] : []),
  ];
  const layer = (name: string): Definition[] => [
    ...norm(`${name}.attention_norm`),
    ...matrix(`${name}.attention.qkv`, packed, C),
    ...matrix(`${name}.attention.out`, C, heads, "residual"),
    ...norm(`${name}.mlp_norm`),
    ...(isGpt2 ? matrix(`${name}.mlp.up`, F, C) : matrix(`${name}.mlp.gate_up`, 2 * F, C)),
    ...matrix(`${name}.mlp.down`, C, F, "residual"),
  ];

  return [
    { name: "token_embedding", shape: [V, C], initial: "normal", isFactor: tied },
    ...(isGpt2 ? [{ name: "position_embedding", shape: [T, C], initial: "normal", isFactor: false } as const] : []),
    ...Array.from({ length: layerCount }, (_, i) => layer(`layer.${i}`)).flat(),
    ...norm("final_norm"),
    ...(tied ? [] : [{ name: "head", shape: [V, C], initial: "normal", isFactor: true } as const]),
  ];
}
