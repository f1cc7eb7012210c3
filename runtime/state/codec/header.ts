/**
 * The 12 bytes that open every encoded pseudo-gradient, little-endian:
 *
 * | bytes | what                                                  |
 * | ----- | ----------------------------------------------------- |
 * | 0–3   | "SPG1": Starling pseudo-gradient, version 1           |
 * | 4     | codec: 1 f32, 2 int8, 3 topk                          |
 * | 5     | zero                                                  |
 * | 6–7   | values that share a scale; 1 where there are no scales; of topk the values kept of each 4,096 |
 * | 8–11  | number of values                                      |
 *
 * @module
 */

export const HEADER_BYTES = 12;
const MAGIC = [0x53, 0x50, 0x47, 0x31] as const;

/** Numbers of the codecs in the header. Never reused. */
export const CODEC_IDS = { f32: 1, int8: 2, topk: 3 } as const;

export interface Header {
  readonly codec: number;
  readonly block: number;
  readonly length: number;
}

/** Writes the header at the start of `bytes`. */
export function writeHeader(bytes: Uint8Array, { codec, block, length }: Header): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, HEADER_BYTES);
  MAGIC.forEach((byte, i) => view.setUint8(i, byte));
  view.setUint8(4, codec);
  view.setUint8(5, 0);
  view.setUint16(6, block, true);
  view.setUint32(8, length, true);
}

/** Reads the header and compares codec and length with what is wanted; the block is for the codec to judge. */
export function readHeader(
  bytes: Uint8Array,
  wanted: Pick<Header, "codec" | "length">,
): Header | { readonly reason: string } {
  if (bytes.length < HEADER_BYTES) return { reason: `has ${bytes.length} bytes, a header alone needs ${HEADER_BYTES}` };
  const view = new DataView(bytes.buffer, bytes.byteOffset, HEADER_BYTES);
  if (MAGIC.some((byte, i) => bytes[i] !== byte) || view.getUint8(5) !== 0) {
    return { reason: "is no pseudo-gradient of version 1" };
  }
  const header = { codec: view.getUint8(4), block: view.getUint16(6, true), length: view.getUint32(8, true) };
  if (header.codec !== wanted.codec) return { reason: `is of codec ${header.codec}, this run uses ${wanted.codec}` };
  if (header.length !== wanted.length) {
    return { reason: `has ${header.length} values, this run's model needs ${wanted.length}` };
  }
  return header;
}

/** The codec's number as the header has it, or null if these bytes have no header. */
export function codecId(bytes: Uint8Array): number | null {
  return bytes.length < HEADER_BYTES ? null : bytes[4]!;
}
