/**
 * An average of weights as a file, for `--ewa` and for a restart. Local to one peer, never sent.
 *
 * Little-endian: "SWA1", words of an arena (u32), then tokens, steps and mass (f64), the average as an f32 arena, and the
 * SHA-256 of all before it.
 * @module
 */
import type { EwaProgress } from "./ewa.ts";

const MAGIC = [0x53, 0x57, 0x41, 0x31] as const;
const HEADER_BYTES = 32, CHECKSUM_BYTES = 32;

export type DecodedEwa =
  | { readonly ok: true; readonly progress: EwaProgress; readonly average: Float32Array<ArrayBuffer> }
  | { readonly ok: false; readonly reason: string };

export async function encodeEwa(
  { tokens, steps, mass }: EwaProgress,
  average: Float32Array,
): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = new Uint8Array(HEADER_BYTES + 4 * average.length + CHECKSUM_BYTES), view = new DataView(bytes.buffer);
  MAGIC.forEach((byte, i) => view.setUint8(i, byte));
  view.setUint32(4, average.length, true);
  [tokens, steps, mass].forEach((value, i) => view.setFloat64(8 + 8 * i, value, true));
  new Float32Array(bytes.buffer, HEADER_BYTES, average.length).set(average);
  const end = bytes.length - CHECKSUM_BYTES;
  bytes.set(await sha256(bytes.subarray(0, end)), end);
  return bytes;
}

/** Reads an average, of whose bytes' memory it is; `words` is the arena of the run's model. */
export async function decodeEwa(
  bytes: Uint8Array<ArrayBuffer>,
  { words }: { readonly words: number },
): Promise<DecodedEwa> {
  const wrong = (reason: string) => ({ ok: false, reason }) as const;
  if (bytes.length < HEADER_BYTES || MAGIC.some((byte, i) => bytes[i] !== byte)) return wrong("it is not of version 1");
  const aligned = bytes.byteOffset % Float32Array.BYTES_PER_ELEMENT === 0 ? bytes : bytes.slice();
  const view = new DataView(aligned.buffer, aligned.byteOffset), wanted = HEADER_BYTES + 4 * words + CHECKSUM_BYTES;
  if (view.getUint32(4, true) !== words) return wrong("it is of another model");
  if (bytes.length !== wanted) return wrong(`it has ${bytes.length} bytes and needs ${wanted}`);
  const end = bytes.length - CHECKSUM_BYTES, checksum = await sha256(bytes.subarray(0, end));
  if (checksum.some((byte, i) => bytes[end + i] !== byte)) return wrong("it is damaged: its checksum does not fit");
  const [tokens, steps, mass] = [0, 1, 2].map((i) => view.getFloat64(8 + 8 * i, true));
  return {
    ok: true,
    progress: { tokens: tokens!, steps: steps!, mass: mass! },
    average: new Float32Array(aligned.buffer, aligned.byteOffset + HEADER_BYTES, words),
  };
}

async function sha256(bytes: Uint8Array<ArrayBuffer>): Promise<Uint8Array> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
}
