/**
 * Makes a new run: a preset, a text and a tokenizer become a configuration and the blobs that it names.
 *
 * Nothing is trained here but a tokenizer, and nothing is written but blobs; `run.json` is the caller's.
 * @module
 */
import type { PeerId } from "../p2p/sync/types.ts";
import type { BlobStore } from "../p2p/store/blob_store.ts";
import { ConfigError, type DataConfig, parseRunConfig, type RunConfig, type TokenizerConfig } from "./config.ts";
import { bpeTokenizer } from "./data/bpe.ts";
import { trainBpe } from "./data/bpe_train.ts";
import { openCorpus } from "./data/corpus.ts";
import { EMBEDDED_DIGEST, loadEmbeddedText } from "./data/embedded.ts";
import { encodeShards } from "./data/shards.ts";
import { bytesTokenizer, type Tokenizer } from "./data/tokenizer.ts";
import { type PresetName, presets } from "./presets.ts";

/** What is chosen for a new run; the rest is its preset's. */
export interface NewRun {
  readonly name: string;
  readonly preset: PresetName;
  readonly seed: number;
  readonly membership: RunConfig["membership"];
  /** The peer id of who signs the list of members; only with membership "allow". */
  readonly owner?: PeerId;
  /** The text, in pieces, as often as it is asked for; null: the embedded one. */
  readonly texts: (() => AsyncIterable<string>) | null;
  readonly tokenizer?: "bytes" | "bpe";
  /** Tokens of a bpe tokenizer. */
  readonly vocabularySize?: number;
  readonly targetTokens?: number | null;
}

/** A tokenizer is trained on the first so many characters: enough for its pairs, and never the whole corpus in memory. */
const TOKENIZER_SAMPLE_CHARACTERS = 8_000_000;

/**
 * Makes a run's configuration and puts its data into `blobs`.
 * @throws {ConfigError} if the choices do not fit each other.
 * @throws {CorpusError | TextFilesError} if the text cannot be used, e.g. is shorter than a window.
 */
export async function createRun(options: NewRun, blobs: BlobStore): Promise<RunConfig> {
  const preset = presets[options.preset];
  const kind = options.tokenizer ?? preset.tokenizer;
  if (kind === "bytes" && options.vocabularySize !== undefined) {
    throw new ConfigError(
      "Cannot choose a vocabulary for the bytes tokenizer: it has 256 tokens. Choose --tokenizer bpe",
    );
  }
  const { config: tokenizerConfig, tokenizer } = kind === "bytes"
    ? { config: { kind } as const, tokenizer: bytesTokenizer() }
    : await makeBpe(options, options.vocabularySize ?? preset.model.vocabularySize, blobs);
  const { data, tokenCount } = await makeData(options.texts, tokenizer, blobs);

  const config = parseRunConfig(
    JSON.stringify(
      {
        version: 1,
        name: options.name,
        seed: options.seed,
        model: { ...preset.model, vocabularySize: tokenizer.vocabularySize },
        tokenizer: tokenizerConfig,
        data,
        training: {
          ...preset.training,
          ...(options.targetTokens === undefined ? {} : { targetTokens: options.targetTokens }),
        },
        outer: preset.outer,
        rounds: preset.rounds,
        membership: options.membership,
        ...(options.owner === undefined ? {} : { owner: options.owner }),
      } satisfies Omit<RunConfig, "cells" | "batching">, // as its defaults are
    ),
    "the new run",
  );
  openCorpus({ tokenCount, read() {} }, config.model); // throws if the text is too short
  return config;
}

async function makeBpe(
  { texts }: NewRun,
  vocabularySize: number,
  blobs: BlobStore,
): Promise<{ readonly config: TokenizerConfig; readonly tokenizer: Tokenizer }> {
  const sample: string[] = [];
  let characters = 0;
  for await (const piece of texts?.() ?? [await loadEmbeddedText()]) {
    sample.push(piece);
    characters += piece.length;
    if (characters >= TOKENIZER_SAMPLE_CHARACTERS) break;
  }
  const json = trainBpe(sample, { vocabularySize });
  const bytes = new TextEncoder().encode(json);
  const blob = await blobs.put(bytes);
  return { config: { kind: "bpe", blob, sizeBytes: bytes.length }, tokenizer: bpeTokenizer(json) };
}

async function makeData(
  texts: NewRun["texts"],
  tokenizer: Tokenizer,
  blobs: BlobStore,
): Promise<{ readonly data: DataConfig; readonly tokenCount: number }> {
  if (texts === null) {
    const tokenCount = tokenizer.encode(await loadEmbeddedText()).length;
    return { data: { kind: "embedded", digest: EMBEDDED_DIGEST }, tokenCount };
  }
  const shards: { blob: string; sizeBytes: number; tokenCount: number }[] = [];
  for await (const { bytes, tokenCount } of encodeShards(texts(), { tokenizer })) {
    shards.push({ blob: await blobs.put(bytes), sizeBytes: bytes.length, tokenCount });
  }
  return { data: { kind: "shards", shards }, tokenCount: shards.reduce((sum, shard) => sum + shard.tokenCount, 0) };
}
