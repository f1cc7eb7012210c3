/**
 * Sparse values for thin links: of each chunk of 4,096 values the `kept` largest, in two bits each.
 *
 * | bytes  | what                                                        |
 * | ------ | ----------------------------------------------------------- |
 * | 0–11   | the header; its block is `kept`: 64, 128, 256 or 512        |
 * | 12–19  | the smaller and the larger level, f32                       |
 * | 20–    | the chunks (`topk_chunk.ts`); a code is sign (2) + level (1) |
 *
 * Of 1,000,000 values at 64 that is 245 chunks of 112 bytes.
 *
 * One pair of levels serves the whole vector: it costs nothing, and after AdamW all tensors move at about one scale.
 * Where one does not, its values are below half of the smaller level and are *left out*. So what is sent is never
 * farther from a value than nothing at all, which is what error feedback needs to converge (Karimireddy et al. 2019,
 * arXiv 1901.09847, assumption A).
 *
 * Sarfi et al. 2025 (SparseLoCo), arXiv 2508.15706; each level is the mean of what it stands for (Lloyd 1982).
 * @module
 */
import { TOP_K_CHUNK, TOP_K_SMALLEST, topK, topKChunks } from "../../../kernels/top_k.ts";
import type { Codec, EncodedVector } from "./codec.ts";
import { CODEC_IDS, HEADER_BYTES, readHeader, writeHeader } from "./header.ts";
import { chunkBytes, type CodedValue, forEachValue, whyNoChunk, writeChunk } from "./topk_chunk.ts";

/** Densities that there are: values kept of each 4,096. */
export const DENSITIES = [64, 128, 256, 512] as const;
export type Density = typeof DENSITIES[number];

/** Share of the residual that the next contribution still believes: old mass fades in some twenty rounds. */
export const TOPK_DECAY = 0.95;

const DATA_START = HEADER_BYTES + 8;
/** Times that the levels and the bound between them are brought into line. */
const LLOYD_ROUNDS = 4;
const NEGATIVE = 2, LARGER = 1;

/** The codec that keeps `kept` values of each 4,096. It reads vectors of any density. */
export function topk(kept: Density): Codec {
  return {
    name: "topk",
    sizeBytes: (length) => sizeBytes(length, kept),

    encode(values) {
      const shape = { COUNT: values.length, KEPT: kept }, slots = topKChunks(values.length) * kept;
      const places = new Uint32Array(slots), largest = new Float32Array(slots);
      topK.reference({ x: values, places, values: largest } as unknown as Arrays, shape);
      const { bytes, sent } = packTopK({ places, values: largest, length: values.length, kept });
      const residual = values.slice();
      sent.forEach((value, slot) => {
        const at = Math.floor(slot / kept) * TOP_K_CHUNK + places[slot]!;
        if (value !== 0) residual[at] = residual[at]! - value;
      });
      return { bytes, residual };
    },

    open(bytes, length) {
      const header = readHeader(bytes, { codec: CODEC_IDS.topk, length });
      if ("reason" in header) return { ok: false, reason: header.reason };
      const kept = DENSITIES.find((density) => density === header.block);
      if (kept === undefined) {
        return { ok: false, reason: `keeps ${header.block} of 4096 values, wanted one of ${DENSITIES.join(", ")}` };
      }
      if (bytes.length !== sizeBytes(length, kept)) {
        return { ok: false, reason: `has ${bytes.length} bytes, ${length} values need ${sizeBytes(length, kept)}` };
      }
      const view = new DataView(bytes.buffer, bytes.byteOffset + HEADER_BYTES);
      const levels = [view.getFloat32(0, true), view.getFloat32(4, true)] as const;
      if (!levels.every((level) => Number.isFinite(level) && level >= 0)) {
        return { ok: false, reason: `is not finite: its levels are ${levels.join(" and ")}` };
      }
      for (let chunk = 0; chunk < topKChunks(length); chunk++) {
        const end = length - chunk * TOP_K_CHUNK, reason = whyNoChunk(chunkOf(bytes, chunk, kept), { kept, end });
        if (reason !== null) return { ok: false, reason: `is damaged: chunk ${chunk} ${reason}` };
      }
      return { ok: true, vector: vectorOf(bytes, { levels, kept, length }) };
    },
  };
}

/** What the kernel `top_k` leaves: `kept` places and values for each chunk, in the order of places. */
export interface SparseValues {
  readonly places: Uint32Array;
  readonly values: Float32Array;
  /** Values of the whole vector. */
  readonly length: number;
  readonly kept: Density;
}

export interface PackedTopK {
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** What each slot decodes to; 0 where it was left out. */
  readonly sent: Float32Array<ArrayBuffer>;
}

/** Brings what a device chose into the codec's bytes: + and ÷ in one order, so the same bytes everywhere. */
export function packTopK({ places, values, length, kept }: SparseValues): PackedTopK {
  const bytes = new Uint8Array(sizeBytes(length, kept)), sent = new Float32Array(values.length);
  const levels = levelsOf(values), least = levels[0] / 2, bound = (levels[0] + levels[1]) / 2;
  writeHeader(bytes, { codec: CODEC_IDS.topk, block: kept, length });
  const view = new DataView(bytes.buffer, HEADER_BYTES);
  levels.forEach((level, i) => view.setFloat32(4 * i, level, true));
  for (let chunk = 0; chunk < topKChunks(length); chunk++) {
    const coded: CodedValue[] = [];
    for (let slot = chunk * kept; slot < (chunk + 1) * kept; slot++) {
      const value = values[slot]!, size = Math.abs(value);
      if (size < TOP_K_SMALLEST || size < least) continue;
      const code = (value < 0 ? NEGATIVE : 0) + (size > bound ? LARGER : 0);
      coded.push({ place: places[slot]!, code });
      sent[slot] = valueOf(code, levels);
    }
    writeChunk(chunkOf(bytes, chunk, kept), coded, kept);
  }
  return { bytes, sent };
}

/** The arrays of a reference, whose names and types lose their tie in `Kernel`. */
type Arrays = Parameters<typeof topK.reference>[0];
type Levels = readonly [smaller: number, larger: number];

/** Two levels for the sizes of what is not zero: each the mean of the sizes nearer to it. */
function levelsOf(values: Float32Array): Levels {
  const sizes = values.map(Math.abs).filter((size) => size >= TOP_K_SMALLEST);
  if (sizes.length === 0) return [0, 0];
  let smaller = sizes.reduce((sum, size) => sum + size, 0) / sizes.length, larger = smaller;
  for (let round = 0; round < LLOYD_ROUNDS; round++) {
    const bound = (smaller + larger) / 2, sums = [0, 0], counts = [0, 0];
    for (const size of sizes) {
      const level = size > bound ? 1 : 0;
      sums[level]! += size;
      counts[level]!++;
    }
    if (counts[0]! > 0) smaller = sums[0]! / counts[0]!;
    if (counts[1]! > 0) larger = sums[1]! / counts[1]!;
  }
  return [Math.fround(smaller), Math.fround(larger)];
}

function vectorOf(
  bytes: Uint8Array,
  { levels, kept, length }: { readonly levels: Levels; readonly kept: Density; readonly length: number },
): EncodedVector {
  return {
    length,
    normSquared() {
      const counts = [0, 0];
      for (let chunk = 0; chunk < topKChunks(length); chunk++) {
        forEachValue(chunkOf(bytes, chunk, kept), kept, (_, code) => counts[code & LARGER]!++);
      }
      return counts[0]! * levels[0] * levels[0] + counts[1]! * levels[1] * levels[1];
    },
    addTo(into, { start, share }) {
      const first = Math.floor(start / TOP_K_CHUNK), last = topKChunks(start + into.length);
      for (let chunk = first; chunk < last; chunk++) {
        forEachValue(chunkOf(bytes, chunk, kept), kept, (place, code) => {
          const at = chunk * TOP_K_CHUNK + place - start;
          if (at >= 0 && at < into.length) into[at] = into[at]! + share * valueOf(code, levels);
        });
      }
    },
  };
}

function valueOf(code: number, levels: Levels): number {
  const level = levels[(code & LARGER) as 0 | 1];
  return (code & NEGATIVE) === 0 ? level : -level;
}

function chunkOf(bytes: Uint8Array, chunk: number, kept: Density): Uint8Array {
  const start = DATA_START + chunk * chunkBytes(kept);
  return bytes.subarray(start, start + chunkBytes(kept));
}

function sizeBytes(length: number, kept: Density): number {
  return DATA_START + topKChunks(length) * chunkBytes(kept);
}
