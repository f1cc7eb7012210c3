/**
 * What a peer keeps of its inner optimizer over a restart: of each lineage that it trains, moments, error feedback and the
 * number of steps.
 *
 * Local to one peer, never sent, not part of any state: without it a peer goes on with fresh moments. So damage is
 * reported, never fatal. Weights are not here; they come from the run's state. It is written piece by piece, as the
 * device gives it, and read whole: the moments then lie where it was read to.
 *
 * Little-endian: "SCP4", words of an arena (u32), lineages (u32), zero (u32); for each lineage the ids of the beginning that
 * are in it, one bit each (u32), zero (u32), steps (f64), the product of β₂ over them (f64), then the two moments and the
 * residual as f32 arenas; last the blob digest of all before it (`sealed.ts`). "SCP3" is the same with the SHA-256 in its
 * place, and still read.
 * @module
 */
import { fromString } from "uint8arrays";
import { blobDigest, sha256 } from "../../p2p/store/chunks.ts";
import type { Moments } from "../train/trainer.ts";
import { SEAL_BYTES, sealed } from "./sealed.ts";

const MAGIC = [0x53, 0x43, 0x50] as const;
/** "4", and "3" of before. */
const VERSION = 0x34, VERSION_BEFORE = 0x33;
const HEADER_BYTES = 16, LINEAGE_BYTES = 24;
const MOST_IDS = 32;

/** Moments of a trainer that takes part in outer steps. */
export type OuterMoments = Moments & { readonly residual: Float32Array<ArrayBuffer> };

/** The optimizer of one lineage. */
export interface KeptLineage {
  /** Ids of the beginning that are in it (`p2p/sync/lineages.ts`), ascending. */
  readonly from: readonly number[];
  readonly moments: OuterMoments;
}

/** The optimizer of one lineage on its way to a checkpoint. */
export interface WrittenLineage extends Pick<KeptLineage, "from">, Pick<Moments, "stepCount" | "beta2Product"> {
  /** The two moments and the residual, one after another, in parts of any length. */
  readonly arenas: Iterable<Float32Array> | AsyncIterable<Float32Array>;
}

export type DecodedCheckpoint =
  | { readonly ok: true; readonly lineages: readonly KeptLineage[] }
  | { readonly ok: false; readonly reason: string };

/** A checkpoint of lineages, at least one; all arenas have so many words. */
export function checkpointPieces(
  lineages: readonly WrittenLineage[],
  { words }: { readonly words: number },
): AsyncGenerator<Uint8Array<ArrayBuffer>, void, void> {
  return sealed(checkpointParts(lineages, words));
}

/** Moments in memory, to be written. */
export function writtenLineage({ from, moments }: KeptLineage): WrittenLineage {
  const { first, second, residual, stepCount, beta2Product } = moments;
  return { from, stepCount, beta2Product, arenas: [first, second, residual] };
}

async function* checkpointParts(lineages: readonly WrittenLineage[], words: number): AsyncGenerator<ArrayBufferView> {
  const header = new DataView(new ArrayBuffer(HEADER_BYTES));
  [...MAGIC, VERSION].forEach((byte, i) => header.setUint8(i, byte));
  header.setUint32(4, words, true);
  header.setUint32(8, lineages.length, true);
  yield header;
  for (const { from, stepCount, beta2Product, arenas } of lineages) {
    const lineage = new DataView(new ArrayBuffer(LINEAGE_BYTES));
    lineage.setUint32(0, from.reduce((mask, id) => mask + 2 ** id, 0), true);
    lineage.setFloat64(8, stepCount, true);
    lineage.setFloat64(16, beta2Product, true);
    yield lineage;
    yield* arenas;
  }
}

/** Reads a checkpoint, of whose memory the moments are; `words` is the arena of the run's model. */
export async function decodeCheckpoint(
  bytes: Uint8Array<ArrayBuffer>,
  { words }: { readonly words: number },
): Promise<DecodedCheckpoint> {
  const wrong = (found: string) =>
    ({ ok: false, reason: `the optimizer's checkpoint ${found}; it starts afresh` }) as const;
  const version = bytes[MAGIC.length];
  const isKnown = (version === VERSION || version === VERSION_BEFORE) && MAGIC.every((byte, i) => bytes[i] === byte);
  if (bytes.length < HEADER_BYTES || !isKnown) return wrong("is not of version 3 or 4");
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length), count = view.getUint32(8, true);
  if (view.getUint32(4, true) !== words) return wrong("is of another model");
  if (count < 1 || bytes.length !== sizeBytes(words, count)) {
    return wrong(`has ${bytes.length} bytes and needs ${sizeBytes(words, count)}`);
  }
  const end = bytes.length - SEAL_BYTES, checksum = await checksumOf(bytes.subarray(0, end), version);
  if (checksum.some((byte, i) => bytes[end + i] !== byte)) return wrong("is damaged: its checksum does not fit");
  const aligned = bytes.byteOffset % Float32Array.BYTES_PER_ELEMENT === 0 ? bytes : bytes.slice();
  const lineages = Array.from({ length: count }, (_, i): KeptLineage => {
    const at = startOf(words, i), mask = view.getUint32(at, true);
    const [first, second, residual] = [0, 1, 2].map((n) => arenaAt(aligned, words, { at, n }));
    return {
      from: Array.from({ length: MOST_IDS }, (_, id) => id).filter((id) => Math.floor(mask / 2 ** id) % 2 === 1),
      moments: {
        first: first!,
        second: second!,
        residual: residual!,
        stepCount: view.getFloat64(at + 8, true),
        beta2Product: view.getFloat64(at + 16, true),
      },
    };
  });
  return { ok: true, lineages };
}

function startOf(words: number, lineage: number): number {
  return HEADER_BYTES + lineage * (LINEAGE_BYTES + 3 * 4 * words);
}

/** The n-th arena of the lineage that begins at a byte. */
function arenaAt(
  bytes: Uint8Array<ArrayBuffer>,
  words: number,
  { at, n }: { readonly at: number; readonly n: number },
): Float32Array<ArrayBuffer> {
  return new Float32Array(bytes.buffer, bytes.byteOffset + at + LINEAGE_BYTES + 4 * words * n, words);
}

function sizeBytes(words: number, lineages: number): number {
  return startOf(words, lineages) + SEAL_BYTES;
}

async function checksumOf(bytes: Uint8Array<ArrayBuffer>, version: number): Promise<Uint8Array> {
  return fromString(version === VERSION ? await blobDigest(bytes) : await sha256(bytes), "base16");
}
