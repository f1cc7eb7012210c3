/**
 * An average of weights as a file, for `--ewa` and for a restart. Local to one peer, never sent. Written from the memory
 * that it lies in, and read into it.
 *
 * Little-endian: "SWA2", words of an arena (u32), then tokens, steps and mass (f64), the average as an f32 arena, and the
 * blob digest of all before it (`sealed.ts`). "SWA1" is the same with the SHA-256 in its place, and still read.
 * @module
 */
import { sha256 } from "@noble/hashes/sha2.js";
import type { ByteReader } from "../folder.ts";
import type { EwaProgress } from "./ewa.ts";
import { SEAL_BYTES, sealed, unseal } from "./sealed.ts";

const MAGIC = [0x53, 0x57, 0x41] as const;
/** "2", and "1" of before. */
const VERSION = 0x32, VERSION_BEFORE = 0x31;
const HEADER_BYTES = 32;

export type ReadEwa =
  | { readonly ok: true; readonly progress: EwaProgress }
  | { readonly ok: false; readonly reason: string };

/** @param average Stays as it is until the last piece is taken; shared memory or not. */
export function ewaPieces(
  { tokens, steps, mass }: EwaProgress,
  average: Float32Array,
): AsyncGenerator<Uint8Array<ArrayBuffer>, void, void> {
  const header = new DataView(new ArrayBuffer(HEADER_BYTES));
  [...MAGIC, VERSION].forEach((byte, i) => header.setUint8(i, byte));
  header.setUint32(4, average.length, true);
  [tokens, steps, mass].forEach((value, i) => header.setFloat64(8 + 8 * i, value, true));
  return sealed([header, average]);
}

/** Reads an average into memory for one of the run's model; if that fails, anything may be in there. */
export async function readEwa(reader: ByteReader, into: Float32Array): Promise<ReadEwa> {
  const wrong = (reason: string) => ({ ok: false, reason }) as const, { sizeBytes } = reader;
  const header = new Uint8Array(Math.min(HEADER_BYTES, sizeBytes)), view = new DataView(header.buffer);
  reader.readAt(0, header);
  const version = header[MAGIC.length];
  const isKnown = (version === VERSION || version === VERSION_BEFORE) && MAGIC.every((byte, i) => header[i] === byte);
  if (header.length < HEADER_BYTES || !isKnown) return wrong("it is not of version 1 or 2");
  if (view.getUint32(4, true) !== into.length) return wrong("it is of another model");
  const wanted = HEADER_BYTES + into.byteLength + SEAL_BYTES;
  if (sizeBytes !== wanted) return wrong(`it has ${sizeBytes} bytes and needs ${wanted}`);
  const values = new Uint8Array(into.buffer, into.byteOffset, into.byteLength), before = sha256.create().update(header);
  const isWhole = await unseal(reader, {
    start: HEADER_BYTES,
    take(at, piece) {
      values.set(piece, at - HEADER_BYTES);
      if (version === VERSION_BEFORE) before.update(piece);
    },
  });
  const isGood = version === VERSION ? isWhole : endsWith(reader, before.digest());
  if (!isGood) return wrong("it is damaged: its checksum does not fit");
  const [tokens, steps, mass] = [0, 1, 2].map((i) => view.getFloat64(8 + 8 * i, true));
  return { ok: true, progress: { tokens: tokens!, steps: steps!, mass: mass! } };
}

function endsWith(reader: ByteReader, bytes: Uint8Array): boolean {
  const end = new Uint8Array(bytes.length);
  reader.readAt(reader.sizeBytes - end.length, end);
  return end.every((byte, i) => byte === bytes[i]);
}
