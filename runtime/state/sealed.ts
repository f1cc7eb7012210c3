/**
 * Files that end with the blob digest of all before it (`p2p/store/chunks.ts`), written and read piece by piece: what they
 * hold is never in memory a second time.
 *
 * It knows no format. The one thing to know: a reader has seen all of the content by the time it learns whether that was
 * damaged.
 * @module
 */
import { fromString } from "uint8arrays";
import { CHUNK_BYTES } from "../../p2p/store/blob_store.ts";
import { chunkListDigest, chunkListOf } from "../../p2p/store/chunks.ts";
import type { Digest } from "../../p2p/sync/types.ts";
import type { ByteReader } from "../folder.ts";

/** Bytes that come one piece after another. Each piece is the taker's own. */
export type Pieces = AsyncIterable<Uint8Array<ArrayBuffer>>;

export const SEAL_BYTES = 32;
/** Whole chunks, and short enough that nobody waits long for the copy of one. */
const PIECE_BYTES = 4 * CHUNK_BYTES;

/** The parts as pieces, and last their seal. Parts may be of any length and lie in shared memory. */
export async function* sealed(
  parts: Iterable<ArrayBufferView> | AsyncIterable<ArrayBufferView>,
): AsyncGenerator<Uint8Array<ArrayBuffer>, void, void> {
  const chunks: Digest[] = [];
  let sizeBytes = 0;
  for await (const piece of inPieces(parts)) {
    const list = await chunkListOf(piece);
    chunks.push(...list.chunks);
    sizeBytes += list.sizeBytes;
    yield piece;
  }
  yield fromString(await chunkListDigest({ sizeBytes, chunks }), "base16").slice();
}

/**
 * Reads what `sealed` wrote: hands over its content from byte `start` on, piece by piece, and says whether the seal fits.
 * @param take Is given the place of a piece in the file, and the piece, which is used again for the next one.
 */
export async function unseal(
  reader: ByteReader,
  { start, take }: {
    readonly start: number;
    readonly take: (at: number, piece: Uint8Array<ArrayBuffer>) => void;
  },
): Promise<boolean> {
  const end = reader.sizeBytes - SEAL_BYTES, room = new Uint8Array(PIECE_BYTES), chunks: Digest[] = [];
  for (let at = 0; at < end; at += PIECE_BYTES) {
    const piece = room.subarray(0, Math.min(PIECE_BYTES, end - at));
    reader.readAt(at, piece);
    chunks.push(...(await chunkListOf(piece)).chunks);
    const from = Math.max(0, start - at);
    if (from < piece.length) take(at + from, piece.subarray(from));
  }
  const found = new Uint8Array(SEAL_BYTES), wanted = await chunkListDigest({ sizeBytes: end, chunks });
  reader.readAt(end, found);
  return found.toHex() === wanted;
}

/** Cuts and joins parts to pieces of one length; the last may be shorter. */
async function* inPieces(
  parts: Iterable<ArrayBufferView> | AsyncIterable<ArrayBufferView>,
): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  let piece = new Uint8Array(PIECE_BYTES), filled = 0;
  for await (const { buffer, byteOffset, byteLength } of parts) {
    for (let taken = 0; taken < byteLength;) {
      const some = new Uint8Array(buffer, byteOffset + taken, Math.min(byteLength - taken, PIECE_BYTES - filled));
      piece.set(some, filled);
      filled += some.length;
      taken += some.length;
      if (filled < PIECE_BYTES) continue;
      yield piece;
      piece = new Uint8Array(PIECE_BYTES);
      filled = 0;
    }
  }
  if (filled > 0) yield piece.slice(0, filled);
}
