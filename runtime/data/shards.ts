/**
 * Token shards: a text as tokens in files of bounded size, written piece by piece and read window by window.
 *
 * The format, all little-endian: the 8 bytes `STARLTOK`, version u32 = 1, token width u32 = 2 or 4 bytes, token count
 * u64; then the tokens. Nothing in a header is believed before it was compared with the size of the file.
 * @module
 */
import type { ByteReader } from "../folder.ts";
import { expectTokens, type TokenReader } from "./tokens.ts";
import type { Tokenizer } from "./tokenizer.ts";

const MAGIC = "STARLTOK", VERSION = 1, HEADER_BYTES = 24;

/** 4 Mi tokens: 8 MiB at two bytes each. */
const DEFAULT_SHARD_TOKENS = 4 * 1024 * 1024;

/** Bytes read from a shard at once, and how many such pages are kept. */
const PAGE_BYTES = 16 * 1024, PAGE_COUNT = 4;

/** A file that is not a shard, or a damaged one. */
export class ShardError extends Error {
  override readonly name = "ShardError";
}

export interface Shard {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly tokenCount: number;
}

export interface ShardOptions {
  readonly tokenizer: Tokenizer;
  /** Tokens of every shard but the last. */
  readonly shardTokens?: number;
}

/** Cuts a text that comes in pieces into shards; holds one shard and one piece at a time. */
export async function* encodeShards(
  pieces: AsyncIterable<string> | Iterable<string>,
  { tokenizer, shardTokens = DEFAULT_SHARD_TOKENS }: ShardOptions,
): AsyncGenerator<Shard> {
  const width = tokenizer.vocabularySize <= 65_536 ? 2 : 4;
  let pending = allocate(shardTokens, width), filled = 0;
  for await (const piece of pieces) {
    const ids = tokenizer.encode(piece);
    for (let taken = 0; taken < ids.length;) {
      const count = Math.min(ids.length - taken, shardTokens - filled);
      pending.set(ids.subarray(taken, taken + count), filled);
      taken += count;
      filled += count;
      if (filled === shardTokens) {
        yield encodeShard(pending);
        [pending, filled] = [allocate(shardTokens, width), 0];
      }
    }
  }
  if (filled > 0) yield encodeShard(pending.subarray(0, filled));
}

function allocate(tokenCount: number, width: 2 | 4): Uint16Array | Uint32Array {
  return width === 2 ? new Uint16Array(tokenCount) : new Uint32Array(tokenCount);
}

/** One shard from tokens. */
export function encodeShard(tokens: Uint16Array | Uint32Array): Shard {
  const width = tokens.BYTES_PER_ELEMENT;
  const bytes = new Uint8Array(HEADER_BYTES + tokens.length * width);
  const view = new DataView(bytes.buffer);
  bytes.set(new TextEncoder().encode(MAGIC));
  view.setUint32(8, VERSION, true);
  view.setUint32(12, width, true);
  view.setBigUint64(16, BigInt(tokens.length), true);
  bytes.set(new Uint8Array(tokens.buffer, tokens.byteOffset, tokens.byteLength), HEADER_BYTES);
  return { bytes, tokenCount: tokens.length };
}

/**
 * Opens a shard; its tokens are read page by page when they are asked for.
 * @throws {ShardError} if the header does not fit the bytes.
 */
export function openShard(reader: ByteReader): TokenReader {
  const { width, tokenCount } = readHeader(reader);
  const pages = new Pages(reader);
  return {
    tokenCount,
    read(start, into) {
      expectTokens(start, into.length, tokenCount);
      const bytes = new Uint8Array(into.length * width);
      pages.readAt(HEADER_BYTES + start * width, bytes);
      into.set(width === 2 ? new Uint16Array(bytes.buffer) : new Uint32Array(bytes.buffer));
    },
  };
}

function readHeader(reader: ByteReader): { readonly width: 2 | 4; readonly tokenCount: number } {
  const refuse = (problem: string): never => {
    throw new ShardError(`Cannot open ${reader.source} as a token shard: ${problem}`);
  };
  if (reader.sizeBytes < HEADER_BYTES) {
    return refuse(`it has ${reader.sizeBytes} bytes, the header alone ${HEADER_BYTES}`);
  }
  const header = new Uint8Array(HEADER_BYTES);
  reader.readAt(0, header);
  const view = new DataView(header.buffer);
  const magic = String.fromCharCode(...header.subarray(0, 8));
  if (magic !== MAGIC) return refuse(`it starts with ${JSON.stringify(magic)}, not with "${MAGIC}"`);
  const version = view.getUint32(8, true), width = view.getUint32(12, true), tokenCount = view.getBigUint64(16, true);
  if (version !== VERSION) return refuse(`its version is ${version}, this program reads ${VERSION}`);
  if (width !== 2 && width !== 4) return refuse(`its tokens have ${width} bytes, only 2 and 4 are known`);
  const wanted = BigInt(HEADER_BYTES) + tokenCount * BigInt(width);
  if (wanted !== BigInt(reader.sizeBytes)) {
    return refuse(`${tokenCount} tokens of ${width} bytes need ${wanted} bytes and it has ${reader.sizeBytes}`);
  }
  return { width, tokenCount: Number(tokenCount) };
}

/** The pages of a file that were used last. */
class Pages {
  readonly #reader: ByteReader;
  /** In the order of use, the last one last. */
  readonly #pages = new Map<number, Uint8Array>();

  constructor(reader: ByteReader) {
    this.#reader = reader;
  }

  readAt(position: number, into: Uint8Array): void {
    for (let filled = 0; filled < into.length;) {
      const at = position + filled, index = Math.floor(at / PAGE_BYTES), offset = at - index * PAGE_BYTES;
      const part = this.#page(index).subarray(offset, offset + into.length - filled);
      into.set(part, filled);
      filled += part.length;
    }
  }

  #page(index: number): Uint8Array {
    let page = this.#pages.get(index);
    if (page === undefined) {
      const start = index * PAGE_BYTES;
      page = new Uint8Array(Math.min(PAGE_BYTES, this.#reader.sizeBytes - start));
      this.#reader.readAt(start, page);
      if (this.#pages.size === PAGE_COUNT) this.#pages.delete(this.#pages.keys().next().value!);
    } else {
      this.#pages.delete(index);
    }
    this.#pages.set(index, page);
    return page;
  }
}
