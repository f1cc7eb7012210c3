/**
 * What a peer keeps of its inner optimizer over a restart: moments, error feedback and the number of steps.
 *
 * Local to one peer, never sent, not part of any state: without it a peer goes on with fresh moments. So damage is
 * reported, never fatal. Weights are not here; they come from the run's state.
 *
 * Little-endian: "SCP2", words of an arena (u32), steps (f64), the product of β₂ over them (f64), then the two moments and the residual as f32 arenas,
 * then the SHA-256 of all before it.
 * @module
 */
import type { Moments } from "../train/trainer.ts";

const MAGIC = [0x53, 0x43, 0x50, 0x32] as const;
const HEADER_BYTES = 24, CHECKSUM_BYTES = 32;

/** Moments of a trainer that takes part in outer steps. */
export type OuterMoments = Moments & { readonly residual: Float32Array<ArrayBuffer> };

export type DecodedCheckpoint =
  | { readonly ok: true; readonly moments: OuterMoments }
  | { readonly ok: false; readonly reason: string };

export async function encodeCheckpoint(
  { first, second, residual, stepCount, beta2Product }: OuterMoments,
): Promise<Uint8Array<ArrayBuffer>> {
  const words = first.length;
  const bytes = new Uint8Array(sizeBytes(words));
  const view = new DataView(bytes.buffer);
  MAGIC.forEach((byte, i) => view.setUint8(i, byte));
  view.setUint32(4, words, true);
  view.setFloat64(8, stepCount, true);
  view.setFloat64(16, beta2Product, true);
  [first, second, residual].forEach((arena, i) => arenaAt(bytes, words, i).set(arena));
  const end = bytes.length - CHECKSUM_BYTES;
  bytes.set(await sha256(bytes.subarray(0, end)), end);
  return bytes;
}

/** Reads a checkpoint; `words` is the arena of the run's model. */
export async function decodeCheckpoint(
  bytes: Uint8Array<ArrayBuffer>,
  { words }: { readonly words: number },
): Promise<DecodedCheckpoint> {
  const wrong = (found: string) =>
    ({ ok: false, reason: `the optimizer's checkpoint ${found}; it starts afresh` }) as const;
  if (bytes.length < HEADER_BYTES || MAGIC.some((byte, i) => bytes[i] !== byte)) return wrong("is not of version 2");
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  if (view.getUint32(4, true) !== words) return wrong("is of another model");
  if (bytes.length !== sizeBytes(words)) return wrong(`has ${bytes.length} bytes and needs ${sizeBytes(words)}`);
  const end = bytes.length - CHECKSUM_BYTES, checksum = await sha256(bytes.subarray(0, end));
  if (checksum.some((byte, i) => bytes[end + i] !== byte)) return wrong("is damaged: its checksum does not fit");
  const aligned = bytes.slice();
  const arena = (i: number) => arenaAt(aligned, words, i).slice();
  return {
    ok: true,
    moments: {
      first: arena(0),
      second: arena(1),
      residual: arena(2),
      stepCount: view.getFloat64(8, true),
      beta2Product: view.getFloat64(16, true),
    },
  };
}

function arenaAt(bytes: Uint8Array<ArrayBuffer>, words: number, index: number): Float32Array<ArrayBuffer> {
  return new Float32Array(bytes.buffer, bytes.byteOffset + HEADER_BYTES + 4 * words * index, words);
}

function sizeBytes(words: number): number {
  return HEADER_BYTES + 3 * 4 * words + CHECKSUM_BYTES;
}

async function sha256(bytes: Uint8Array<ArrayBuffer>): Promise<Uint8Array> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
}
