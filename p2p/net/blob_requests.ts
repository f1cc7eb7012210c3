/**
 * What is asked for when a blob is fetched, as bytes.
 *
 * A request is a byte (0 the chunk list, 1 a piece), the digest's 32 bytes and, for a piece, its first byte in the blob
 * (8 bytes big-endian) and its length (4 bytes big-endian). A piece never crosses the border of a chunk, because a
 * chunk is what its reader can check. The answer is the bare bytes; a peer that lacks the blob refuses.
 * @module
 */
import { fromString, toString } from "uint8arrays";
import { CHUNK_BYTES } from "../store/blob_store.ts";
import type { Digest } from "../sync/types.ts";

export const BLOBS_PROTOCOL = "blobs/2";

const ASK_LIST = 0, ASK_PIECE = 1;
const DIGEST_BYTES = 32;
const PIECE_REQUEST_BYTES = 1 + DIGEST_BYTES + 12;

/** Bytes `start ≤ i < end` of a blob. */
export interface Piece {
  readonly start: number;
  readonly end: number;
}

export interface BlobRequest {
  readonly digest: Digest;
  /** Null: the chunk list. */
  readonly piece: Piece | null;
}

export function encodeBlobRequest({ digest, piece }: BlobRequest): Uint8Array {
  const bytes = new Uint8Array(piece === null ? 1 + DIGEST_BYTES : PIECE_REQUEST_BYTES);
  bytes[0] = piece === null ? ASK_LIST : ASK_PIECE;
  bytes.set(fromString(digest, "base16"), 1);
  if (piece === null) return bytes;
  const view = new DataView(bytes.buffer);
  view.setBigUint64(1 + DIGEST_BYTES, BigInt(piece.start));
  view.setUint32(1 + DIGEST_BYTES + 8, piece.end - piece.start);
  return bytes;
}

/** The request in these bytes, or null if they are none. */
export function decodeBlobRequest(bytes: Uint8Array): BlobRequest | null {
  if (bytes.length <= DIGEST_BYTES) return null;
  const digest = toString(bytes.subarray(1, 1 + DIGEST_BYTES), "base16") as Digest;
  if (bytes[0] === ASK_LIST) return bytes.length === 1 + DIGEST_BYTES ? { digest, piece: null } : null;
  if (bytes[0] !== ASK_PIECE || bytes.length !== PIECE_REQUEST_BYTES) return null;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const start = Number(view.getBigUint64(1 + DIGEST_BYTES)), length = view.getUint32(1 + DIGEST_BYTES + 8);
  const isInOneChunk = length > 0 && start % CHUNK_BYTES + length <= CHUNK_BYTES;
  return isInOneChunk && Number.isSafeInteger(start) ? { digest, piece: { start, end: start + length } } : null;
}
