/**
 * Chunk lists: how one digest names a blob so that every part of it can be checked alone.
 *
 * The encoded list (the SHA-256 of every chunk in order, then the size as 8 bytes little-endian) is what is hashed for
 * the blob's name and also what travels. So a list from a stranger is checked against the name, and then each chunk
 * against the list. Hashing goes through WebCrypto, off the event loop.
 * @module
 */
import { fromString, toString } from "uint8arrays";
import type { Digest } from "../sync/types.ts";
import { CHUNK_BYTES } from "./blob_store.ts";

const DIGEST_BYTES = 32;
const SIZE_BYTES = 8;

/** Most bytes of one blob: its encoded list, 32 bytes a chunk, must fit into one response. */
export const LARGEST_BLOB_BYTES = 8 * 1024 ** 3;

export interface ChunkList {
  readonly sizeBytes: number;
  readonly chunks: readonly Digest[];
}

/** SHA-256, in a thread of the runtime. */
export async function sha256(bytes: Uint8Array<ArrayBuffer>): Promise<Digest> {
  return asDigest(new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)));
}

/** Hashes every chunk; one at a time, so that the memory in flight stays small. Shared memory is copied by the chunk. */
export async function chunkListOf(bytes: Uint8Array): Promise<ChunkList> {
  const chunks: Digest[] = [];
  for (let index = 0; index < chunkCount(bytes.length); index++) chunks.push(await sha256(chunkOf(bytes, index)));
  return { sizeBytes: bytes.length, chunks };
}

/** Bytes of one chunk, as WebCrypto and files take them: a copy only if they lie in shared memory. */
export function chunkOf(bytes: Uint8Array, index: number): Uint8Array<ArrayBuffer> {
  const { start, end } = chunkSpan(bytes.length, index), chunk = bytes.subarray(start, end);
  return isUnshared(chunk) ? chunk : new Uint8Array(chunk);
}

function isUnshared(bytes: Uint8Array): bytes is Uint8Array<ArrayBuffer> {
  return bytes.buffer instanceof ArrayBuffer;
}

/** The name of the blob that has this list. */
export function chunkListDigest(list: ChunkList): Promise<Digest> {
  return sha256(encodeChunkList(list));
}

/** The name of these bytes as a blob. */
export async function blobDigest(bytes: Uint8Array): Promise<Digest> {
  return await chunkListDigest(await chunkListOf(bytes));
}

export function chunkCount(sizeBytes: number): number {
  return Math.ceil(sizeBytes / CHUNK_BYTES);
}

/** First byte of a chunk and the byte after its last. */
export function chunkSpan(sizeBytes: number, index: number): { readonly start: number; readonly end: number } {
  return { start: index * CHUNK_BYTES, end: Math.min((index + 1) * CHUNK_BYTES, sizeBytes) };
}

export function encodeChunkList({ sizeBytes, chunks }: ChunkList): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(chunks.length * DIGEST_BYTES + SIZE_BYTES);
  chunks.forEach((digest, i) => bytes.set(fromString(digest, "base16"), i * DIGEST_BYTES));
  new DataView(bytes.buffer).setBigUint64(chunks.length * DIGEST_BYTES, BigInt(sizeBytes), true);
  return bytes;
}

/** The list in these bytes, or null if they are none or its size and number of chunks contradict each other. */
export function decodeChunkList(bytes: Uint8Array): ChunkList | null {
  const listBytes = bytes.length - SIZE_BYTES;
  if (listBytes < 0 || listBytes % DIGEST_BYTES !== 0) return null;
  const size = new DataView(bytes.buffer, bytes.byteOffset + listBytes, SIZE_BYTES).getBigUint64(0, true);
  if (size > BigInt(LARGEST_BLOB_BYTES) || chunkCount(Number(size)) !== listBytes / DIGEST_BYTES) return null;
  const chunks: Digest[] = [];
  for (let i = 0; i < listBytes; i += DIGEST_BYTES) chunks.push(asDigest(bytes.subarray(i, i + DIGEST_BYTES)));
  return { sizeBytes: Number(size), chunks };
}

/** @throws {Error} if the list is not that of the blob. */
export async function checkChunkList(digest: Digest, list: ChunkList): Promise<void> {
  const found = list.chunks.length === chunkCount(list.sizeBytes)
    ? await chunkListDigest(list)
    : "a list of another length";
  if (found === digest) return;
  throw new Error(`Cannot fetch blob ${digest}: its chunk list gives ${found}`);
}

/** @throws {Error} if the bytes are not chunk `index` of the blob, or no list was given yet. */
export async function checkChunk(
  digest: Digest,
  chunks: readonly Digest[] | null,
  { index, bytes }: { readonly index: number; readonly bytes: Uint8Array<ArrayBuffer> },
): Promise<void> {
  const wanted = chunks?.[index];
  const found = await sha256(bytes);
  if (found === wanted) return;
  throw new Error(`Cannot keep chunk ${index} of blob ${digest}: found ${found}, wanted ${wanted ?? "no such chunk"}`);
}

/** @throws {Error} if a chunk is missing. */
export function checkComplete(digest: Digest, chunks: readonly Digest[] | null, held: ReadonlySet<number>): void {
  if (chunks !== null && held.size === chunks.length) return;
  throw new Error(`Cannot finish blob ${digest}: ${held.size} of ${chunks?.length ?? "unknown"} chunks are held`);
}

function asDigest(bytes: Uint8Array): Digest {
  return toString(bytes, "base16") as Digest;
}
