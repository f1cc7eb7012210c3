/**
 * `starling eval`: the mean loss of a model on tokens, on text, or on a run's held-out text.
 *
 * Tokens are cut into windows of context + 1 that overlap by one, so that each token but the first is predicted exactly
 * once; the last window may be shorter. The mean is over predicted tokens, in nats.
 * @module
 */
import type { Digest } from "../p2p/sync/types.ts";
import { openCorpus } from "../runtime/data/corpus.ts";
import { openRunText } from "../runtime/data/run_text.ts";
import { memoryTokens, type TokenReader } from "../runtime/data/tokens.ts";
import { type DeviceChoice, openDevice } from "../runtime/device/open.ts";
import { memoryReader } from "../runtime/folder.ts";
import { openFile } from "../runtime/folder_disk.ts";
import { openTrainer } from "../runtime/train/trainer.ts";
import { UsageError } from "./exit.ts";
import { clock, grouped } from "./format.ts";
import { type ModelPlace, type OpenedModel, openModel } from "./open_model.ts";
import { json, line, type Manner, mannerOf, note } from "./print.ts";

export interface EvalOptions extends ModelPlace {
  readonly tokens?: string;
  readonly text?: string;
  readonly device: DeviceChoice;
  readonly json?: boolean;
}

export interface EvalResult {
  /** Mean nats per predicted token. */
  readonly loss: number;
  readonly perplexity: number;
  /** Predicted tokens. */
  readonly tokens: number;
}

/** Sequences at once, and micro-batches summed on the device before the sum goes on in f64. */
const MICRO_BATCH = 8, CHUNK_WINDOWS = 32;
const PROGRESS_MS = 2_000;

/** Evaluates and prints; with `--json` the last line is the result. */
export async function evaluate(options: EvalOptions): Promise<void> {
  if (options.tokens !== undefined && options.text !== undefined) {
    throw new UsageError("Cannot use --tokens and --text together: give one of them");
  }
  const model = await openModel(options);
  const windows = await openWindows(model, options);
  const result = await lossOf(model, { windows, device: options.device, manner: mannerOf(options) });
  if (options.json) return json(result);
  line(
    `loss ${result.loss.toFixed(4)} nats per token   perplexity ${result.perplexity.toFixed(3)}   ` +
      `${grouped(result.tokens)} tokens predicted`,
  );
}

/** What is evaluated: windows by number, each of 2 to context + 1 tokens. */
interface Windows {
  readonly count: number;
  read(index: number): Uint32Array<ArrayBuffer>;
}

async function openWindows(model: OpenedModel, { tokens, text }: EvalOptions): Promise<Windows> {
  const { contextLength, vocabularySize } = model.config;
  if (tokens !== undefined) return cut(tokenFile(tokens), { contextLength, vocabularySize, source: tokens });
  if (text !== undefined) {
    if (model.tokenizer === null) {
      throw new UsageError("Cannot tokenize --text: the model's folder has no tokenizer.json. Give --tokens instead");
    }
    const ids = model.tokenizer.encode(
      await Deno.readTextFile(text).catch((cause) => {
        throw new UsageError(`Cannot read --text '${text}': ${cause.message}`);
      }),
    );
    return cut(memoryTokens(ids), { contextLength, vocabularySize, source: text });
  }
  if (model.run === null) throw new UsageError("Cannot evaluate: say on what, with --tokens <file> or --text <file>");
  const { config, blobs } = model.run;
  const reader = await openRunText(config.data, {
    tokenizer: model.tokenizer!, // a run always has one
    openBlob: async (digest) => {
      const bytes = await blobs.get(digest as Digest);
      if (bytes === null) throw new UsageError(`Cannot read the run's text: this machine lacks its blob ${digest}`);
      return memoryReader(bytes, `blob ${digest}`);
    },
  });
  const { heldOut } = openCorpus(reader, config.model);
  return {
    count: heldOut.windowCount,
    read(index) {
      const window = new Uint32Array(contextLength + 1);
      heldOut.read(index, window);
      return window;
    },
  };
}

function cut(
  reader: TokenReader,
  { contextLength, vocabularySize, source }: {
    readonly contextLength: number;
    readonly vocabularySize: number;
    readonly source: string;
  },
): Windows {
  const predicted = reader.tokenCount - 1;
  if (predicted < 1) {
    throw new UsageError(`Cannot evaluate '${source}': it has ${reader.tokenCount} tokens and at least 2 are needed`);
  }
  return {
    count: Math.ceil(predicted / contextLength),
    read(index) {
      const start = index * contextLength;
      const window = new Uint32Array(Math.min(contextLength, predicted - start) + 1);
      reader.read(start, window);
      const wrong = window.findIndex((id) => id >= vocabularySize);
      if (wrong < 0) return window;
      throw new UsageError(
        `Cannot evaluate '${source}': token ${start + wrong} is ${window[wrong]} and the model knows 0 to ` +
          `${vocabularySize - 1}. Were these tokens made by another tokenizer?`,
      );
    },
  };
}

/** Tokens as little-endian u32, read as they are needed. */
function tokenFile(path: string): TokenReader {
  const file = openFile(path);
  if (file.sizeBytes % 4 !== 0) {
    throw new UsageError(`Cannot read tokens from '${path}': ${file.sizeBytes} bytes are no whole number of u32`);
  }
  return {
    tokenCount: file.sizeBytes / 4,
    read: (start, into) => file.readAt(start * 4, new Uint8Array(into.buffer, into.byteOffset, into.byteLength)),
  };
}

async function lossOf(
  { config, weights }: OpenedModel,
  { windows, device: choice, manner }: {
    readonly windows: Windows;
    readonly device: EvalOptions["device"];
    readonly manner: Manner;
  },
): Promise<EvalResult> {
  const { device } = await openDevice(choice, {
    onNotice: (message) => (manner === "live" || manner === "plain") && note(message),
  });
  await using _ = device;
  await using trainer = await openTrainer({ device, model: config, microBatch: MICRO_BATCH, outer: false });
  trainer.writeWeights(weights);
  const startedAt = performance.now();
  let lossSum = 0, tokens = 0, saidAt = startedAt;
  for (let first = 0; first < windows.count; first += CHUNK_WINDOWS) {
    const count = Math.min(CHUNK_WINDOWS, windows.count - first);
    const part = await trainer.evaluate(Array.from({ length: count }, (_, i) => windows.read(first + i)));
    lossSum += part.lossSum;
    tokens += part.tokens;
    const now = performance.now(), done = (first + count) / windows.count;
    if (now - saidAt < PROGRESS_MS || manner === "quiet") continue;
    saidAt = now;
    note(`${Math.floor(done * 100)} %, ${clock((now - startedAt) * (1 - done) / done)} to go`);
  }
  const loss = lossSum / tokens;
  return { loss, perplexity: Math.exp(loss), tokens };
}
