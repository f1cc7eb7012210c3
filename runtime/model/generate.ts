/**
 * Generates text with a model: reads a prompt in chunks, then one token at a time, with a cache of keys and values.
 *
 * It shares the parameter arena with whoever trains it and copies nothing. One sequence at a time. P positions in the
 * cache: the model's context length.
 *
 * Overflow slides: when the context is full, its older half is forgotten and the newer half is read again from position
 * 0, so generation goes on for ever with at least P/2 tokens of context.
 *
 * The one thing to know: **what lies in the cache beyond the current position is never read** (a row sees its own
 * position and those before), and it is overwritten when the sequence gets there. So a chunk may be filled up with
 * anything, and a new prompt needs no clearing.
 * @module
 */
import type { KernelChoice } from "../../kernels/product_choice.ts";
import { ropeTable } from "../../kernels/rope.ts";
import { type Device, type DeviceBuffer, type Program, type Span, whole } from "../device/device.ts";
import { choiceFor } from "../graph/choice.ts";
import { planMemory, uniteSlots } from "../graph/memory.ts";
import { cachedAttention, embedding } from "../graph/ops.ts";
import { alignedWords, allocateAll, bindSteps, spanOf } from "../graph/plan.ts";
import { Graph, type Tensor } from "../graph/tensor.ts";
import { headSize, type ModelConfig } from "./config.ts";
import { headsOf, parameterTensors } from "./family.ts";
import { hiddenStates, logitsOf } from "./forward.ts";
import { parameterLayout } from "./parameters.ts";
import { randomWords } from "./random.ts";
import { sampleToken, type SamplingOptions } from "./sampling.ts";

/** What writes, and where. */
export interface GeneratorOptions {
  readonly device: Device;
  readonly model: ModelConfig;
  /** A parameter arena on the device: a trainer's `parameters`, or a buffer that the caller filled. */
  readonly parameters: DeviceBuffer;
  /** Tokens of a prompt that are read at once. Default 64, at most the context length. */
  readonly chunkTokens?: number;
  /** Which forms products have. Default: the device's. */
  readonly choice?: KernelChoice;
}

/** How one text is chosen and when it ends. */
export interface GenerationOptions extends SamplingOptions {
  /** Tokens to generate. */
  readonly tokenCount: number;
  /** Equal seeds, prompts and weights give equal tokens. */
  readonly seed: number;
  readonly signal?: AbortSignal;
}

/** Opens a generator beside what else uses the device. */
export async function openGenerator(options: GeneratorOptions): Promise<Generator> {
  const { device, model, parameters, chunkTokens = 64, choice = choiceFor(device) } = options;
  const chunk = Math.min(chunkTokens, model.contextLength);
  const graphs = [1, chunk].map((N) => cachedGraph(model, { N, choice })),
    memories = graphs.map(({ graph }) => planMemory(graph));
  const { G, D } = headsOf(model), cacheWords = model.layerCount * alignedWords(model.contextLength * G * D);
  const slotWords = uniteSlots(memories);
  const own = allocateAll<string>(device, {
    inputs: 2 * alignedWords(chunk) + 1,
    rotary: model.contextLength * D,
    keys: cacheWords,
    values: cacheWords,
    ...Object.fromEntries(slotWords.map((words, slot) => [`slot ${slot}`, words])),
  });
  const slots = slotWords.map((_, slot) => own[`slot ${slot}`]!), inputs = own["inputs"]!;
  if (model.family === "llama") {
    const table = { positionCount: model.contextLength, headSize: D, base: model.ropeTheta };
    device.write(whole(own["rotary"]!), ropeTable(table));
  }
  const readers = graphs.map(async ({ graph, rows, logits }, i): Promise<Reader> => {
    const places = { memory: memories[i]!, slots, buffers: { ...own, parameters } };
    const program = await device.prepare(bindSteps(graph, places), `read ${rows} tokens`);
    return { program, rows, logits: spanOf(logits, places) };
  });
  const [one, many] = await Promise.all(readers);
  return new Generator(options, { one: one!, many: many!, inputs, own: Object.values(own) });
}

/** A program that reads a fixed number of tokens into the cache and gives the logits after one of them. */
interface Reader {
  readonly program: Program;
  readonly rows: number;
  readonly logits: Span;
}

interface GeneratorParts {
  readonly one: Reader;
  readonly many: Reader;
  readonly inputs: DeviceBuffer;
  /** Everything to free. */
  readonly own: readonly DeviceBuffer[];
}

/** A model that writes. Made by `openGenerator`; disposing frees its buffers, not the device. */
export class Generator implements AsyncDisposable {
  readonly #device: Device;
  readonly #model: ModelConfig;
  readonly #parts: GeneratorParts;

  /** Use `openGenerator`. */
  constructor({ device, model }: GeneratorOptions, parts: GeneratorParts) {
    this.#device = device;
    this.#model = model;
    this.#parts = parts;
  }

  /** Yields tokens one by one. Only one call at a time: there is one cache. */
  async *generate(prompt: readonly number[], options: GenerationOptions): AsyncGenerator<number, void> {
    const { contextLength } = this.#model;
    let context = prompt.slice(-contextLength);
    let logits = await this.logitsAfter(context);
    for (let i = 0; i < options.tokenCount; i++) {
      options.signal?.throwIfAborted();
      const token = sampleToken(logits, randomWords(options.seed, i)(), options);
      yield token;
      if (i + 1 === options.tokenCount) return;
      const isFull = context.length === contextLength;
      context = [...isFull ? context.slice(-Math.floor(contextLength / 2)) : context, token];
      logits = isFull ? await this.logitsAfter(context) : await this.logitsOfNext(token, context.length - 1);
    }
  }

  /**
   * Reads a prompt from position 0 and gives the logits (V) of what follows it.
   * @param tokens At least one, at most the model's context length.
   */
  async logitsAfter(tokens: readonly number[]): Promise<Float32Array<ArrayBuffer>> {
    const { contextLength } = this.#model, { many } = this.#parts;
    if (tokens.length === 0 || tokens.length > contextLength) {
      throw new RangeError(`Cannot read a prompt of ${tokens.length} tokens: 1 to ${contextLength} are possible`);
    }
    for (let end = Math.min(many.rows, tokens.length);;) {
      // The last chunk starts earlier and reads some tokens again; a short prompt is filled up with token 0.
      const start = Math.max(0, end - many.rows);
      this.#enqueue(many, { tokens: tokens.slice(start, end), start });
      if (end === tokens.length) break;
      end = Math.min(end + many.rows, tokens.length);
    }
    return await this.#readLogits(many);
  }

  /** Reads one token at a position, after those before it, and gives the logits (V) of what follows. */
  async logitsOfNext(token: number, position: number): Promise<Float32Array<ArrayBuffer>> {
    const { one } = this.#parts;
    if (position >= this.#model.contextLength) {
      throw new RangeError(
        `Cannot read a token at position ${position}: the context ends at ${this.#model.contextLength}`,
      );
    }
    this.#enqueue(one, { tokens: [token], start: position });
    return await this.#readLogits(one);
  }

  [Symbol.asyncDispose](): Promise<void> {
    for (const buffer of this.#parts.own) this.#device.free(buffer);
    return Promise.resolve();
  }

  #enqueue({ program, rows }: Reader, { tokens, start }: { tokens: readonly number[]; start: number }): void {
    const stranger = tokens.find((id) => !Number.isInteger(id) || id < 0 || id >= this.#model.vocabularySize);
    if (stranger !== undefined) {
      throw new RangeError(`Cannot read token ${stranger}: the model knows 0 to ${this.#model.vocabularySize - 1}`);
    }
    const words = new Uint32Array(this.#parts.inputs.words);
    words.set(tokens);
    for (let row = 0; row < rows; row++) words[alignedWords(rows) + row] = start + row;
    words[2 * alignedWords(rows)] = tokens.length - 1;
    this.#device.write(whole(this.#parts.inputs), words);
    this.#device.run(program);
  }

  async #readLogits({ logits }: Reader): Promise<Float32Array<ArrayBuffer>> {
    return (await this.#device.read([logits]))[0]!;
  }
}

/** N tokens to the logits after one of them: ids, positions, and that one's row are `inputs`. */
function cachedGraph(
  model: ModelConfig,
  { N, choice }: { readonly N: number; readonly choice: KernelChoice },
): { readonly graph: Graph; readonly rows: number; readonly logits: Tensor } {
  const graph = new Graph({ differentiable: false, choice });
  const words = (label: string, count: number, start: number) =>
    graph.bound(label, [count], { buffer: "inputs", start, type: "u32" });
  const numbers = (buffer: string, shape: readonly number[], start = 0) =>
    graph.bound(buffer, shape, { buffer, start, type: "f32" });
  const heads = headsOf(model), cacheShape = [model.contextLength, heads.G * heads.D];
  const layerWords = alignedWords(cacheShape[0]! * cacheShape[1]!), positions = words("positions", N, alignedWords(N));

  const forward = {
    graph,
    model,
    positions,
    ids: words("ids", N, 0),
    parameter: parameterTensors(graph, parameterLayout(model)),
    rotary: numbers("rotary", [model.contextLength, headSize(model)]),
    attend: (qkv: Tensor, layer: number) => {
      const keys = numbers("keys", cacheShape, layer * layerWords);
      const values = numbers("values", cacheShape, layer * layerWords);
      return cachedAttention(graph, qkv, { ...heads, positions, keys, values });
    },
  };
  const hidden = hiddenStates(forward), row = words("row", 1, 2 * alignedWords(N));
  const logits = logitsOf(forward, embedding(graph, { ids: row, table: hidden }));
  graph.keep(logits);
  return { graph, rows: N, logits };
}
