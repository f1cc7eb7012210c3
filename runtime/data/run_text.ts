/**
 * From what `run.json` says about data to tokens: the tokenizer of a run, and its text.
 *
 * Where blobs are kept is the caller's business.
 * @module
 */
import type { DataConfig, TokenizerConfig } from "../config.ts";
import type { ByteReader } from "../folder.ts";
import { bpeTokenizer } from "./bpe.ts";
import { CorpusError } from "./corpus.ts";
import { EMBEDDED_DIGEST, EMBEDDED_SOURCE, loadEmbeddedText } from "./embedded.ts";
import { markovTokens } from "./markov.ts";
import { openShard } from "./shards.ts";
import { bytesTokenizer, type Tokenizer } from "./tokenizer.ts";
import { joinTokens, memoryTokens, type TokenReader } from "./tokens.ts";

export interface RunTextOptions {
  readonly tokenizer: Tokenizer;
  /** Opens a blob of the run that this peer holds. */
  openBlob(digest: string): Promise<ByteReader>;
}

/**
 * The tokenizer of a run.
 * @param readBlob Text of a blob of the run that this peer holds.
 * @throws {TokenizerError} if the blob is not a tokenizer.
 */
export async function openRunTokenizer(
  config: TokenizerConfig,
  readBlob: (digest: string) => Promise<string>,
): Promise<Tokenizer> {
  if (config.kind === "bytes") return bytesTokenizer();
  return bpeTokenizer(await readBlob(config.blob), `the tokenizer of the run (blob ${config.blob.slice(0, 8)}…)`);
}

/**
 * The text of a run, as tokens.
 * @throws {CorpusError} if it is not the text that the run names.
 * @throws {ShardError} if a shard is damaged.
 */
export async function openRunText(config: DataConfig, { tokenizer, openBlob }: RunTextOptions): Promise<TokenReader> {
  switch (config.kind) {
    case "embedded":
      return await openEmbedded(config.digest, tokenizer);
    case "markov":
      return markovTokens(config);
    case "shards": {
      const parts: TokenReader[] = [];
      for (const shard of config.shards) parts.push(await openNamedShard(shard, openBlob));
      return joinTokens(parts);
    }
    default:
      return config satisfies never;
  }
}

async function openEmbedded(digest: string, tokenizer: Tokenizer): Promise<TokenReader> {
  if (digest !== EMBEDDED_DIGEST) {
    throw new CorpusError(
      `Cannot open the embedded text: the run wants the edition ${digest.slice(0, 8)}… and this version of Starling ` +
        `has ${EMBEDDED_DIGEST.slice(0, 8)}… (${EMBEDDED_SOURCE}); use the version that the run was made with`,
    );
  }
  const ids = tokenizer.encode(await loadEmbeddedText());
  return memoryTokens(tokenizer.vocabularySize <= 256 ? Uint8Array.from(ids) : ids);
}

async function openNamedShard(
  { blob, tokenCount }: { readonly blob: string; readonly tokenCount: number },
  openBlob: RunTextOptions["openBlob"],
): Promise<TokenReader> {
  const shard = openShard(await openBlob(blob));
  if (shard.tokenCount === tokenCount) return shard;
  throw new CorpusError(
    `Cannot open shard ${blob.slice(0, 8)}…: it has ${shard.tokenCount} tokens and the run says ${tokenCount}; ` +
      `the run's configuration was changed by hand, or made by a faulty program`,
  );
}
