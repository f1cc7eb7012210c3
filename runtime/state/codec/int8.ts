/**
 * Dense int8 with one power-of-two scale for each block: a value is code × 2^(exponent − 127).
 *
 * After the header come one biased exponent (a byte) for each block and one code (a signed byte) for each value, in
 * order. This is the form of what the kernel `quantise_int8` leaves on a device: `packInt8` only moves its bytes.
 * Powers of two make decoding exact: no rounding, so no room for two machines to differ.
 * * @module
 */
import { quantiseInt8 } from "../../../kernels/quantise_int8.ts";
import type { Codec, EncodedVector } from "./codec.ts";
import { CODEC_IDS, HEADER_BYTES, readHeader, writeHeader } from "./header.ts";

/** Values that share one scale. Any power of two in the accepted range is read; this one is written. */
export const INT8_BLOCK = 64;
const LEAST_BLOCK = 16, LARGEST_BLOCK = 4096;
const BIAS = 127;
/** With it, 127 · 2^(exponent − 127) is below 2^127: every code decodes to a finite f32. */
const LARGEST_EXPONENT = 247;
const SCALES = Float64Array.from({ length: LARGEST_EXPONENT + 1 }, (_, exponent) => 2 ** (exponent - BIAS));

export const int8: Codec = {
  name: "int8",
  sizeBytes: (length) => sizeBytes(length, INT8_BLOCK),

  encode(values) {
    const { codes, exponents, residual } = quantise(values);
    return { bytes: packInt8({ codes, exponents, length: values.length, block: INT8_BLOCK }), residual };
  },

  open(bytes, length) {
    const header = readHeader(bytes, { codec: CODEC_IDS.int8, length });
    if ("reason" in header) return { ok: false, reason: header.reason };
    const { block } = header;
    if (block < LEAST_BLOCK || block > LARGEST_BLOCK || (block & (block - 1)) !== 0) {
      return { ok: false, reason: `has blocks of ${block} values, wanted a power of two from 16 to 4096` };
    }
    if (bytes.length !== sizeBytes(length, block)) {
      return { ok: false, reason: `has ${bytes.length} bytes, ${length} values need ${sizeBytes(length, block)}` };
    }
    const blockCount = Math.ceil(length / block);
    const exponents = bytes.subarray(HEADER_BYTES, HEADER_BYTES + blockCount);
    const wrong = exponents.findIndex((exponent) => exponent > LARGEST_EXPONENT);
    if (wrong >= 0) return { ok: false, reason: `is not finite: block ${wrong} has the exponent ${exponents[wrong]}` };
    const codes = new Int8Array(bytes.buffer, bytes.byteOffset + HEADER_BYTES + blockCount, length);
    return { ok: true, vector: vectorOf(codes, exponents, block) };
  },
};

/** What the kernel `quantise_int8` leaves: four codes a word, lowest byte first, and one biased exponent a word. */
export interface QuantisedInt8 {
  readonly codes: Uint32Array;
  readonly exponents: Uint32Array;
  /** Values; codes and exponents may go on after them. */
  readonly length: number;
  readonly block: number;
}

/** Brings what a device quantised into the codec's bytes. */
export function packInt8({ codes, exponents, length, block }: QuantisedInt8): Uint8Array<ArrayBuffer> {
  const blockCount = Math.ceil(length / block);
  const bytes = new Uint8Array(sizeBytes(length, block));
  writeHeader(bytes, { codec: CODEC_IDS.int8, block, length });
  bytes.set(exponents.subarray(0, blockCount), HEADER_BYTES);
  const at = HEADER_BYTES + blockCount;
  for (let i = 0; i < length; i++) bytes[at + i] = codes[i >>> 2]! >>> (8 * (i & 3));
  return bytes;
}

/** The CPU's form of the kernel is its reference. `values` are finite. */
function quantise(values: Float32Array) {
  const COUNT = Math.ceil(values.length / INT8_BLOCK) * INT8_BLOCK;
  const x = new Float32Array(COUNT);
  x.set(values);
  const codes = new Uint32Array(COUNT / 4), scales = new Uint32Array(COUNT / INT8_BLOCK);
  const residual = new Float32Array(COUNT);
  quantiseInt8.reference({ x, codes, scales, residual } as unknown as Arrays, { COUNT, BLOCK: INT8_BLOCK });
  return { codes, exponents: scales, residual: residual.slice(0, values.length) };
}

/** The arrays of a reference, whose names and types lose their tie in `Kernel`. */
type Arrays = Parameters<typeof quantiseInt8.reference>[0];

function vectorOf(codes: Int8Array, exponents: Uint8Array, block: number): EncodedVector {
  return {
    length: codes.length,
    normSquared() {
      let sum = 0;
      for (let b = 0; b < exponents.length; b++) {
        const stop = Math.min((b + 1) * block, codes.length);
        let squares = 0; // a whole number below 2^31: 4096 · 127²
        for (let i = b * block; i < stop; i++) squares = (squares + codes[i]! * codes[i]!) | 0;
        sum += squares * SCALES[exponents[b]!]! * SCALES[exponents[b]!]!;
      }
      return sum;
    },
    addTo(into, { start, share }) {
      const end = start + into.length;
      for (let at = start; at < end;) {
        // Scales are powers of two, so share × scale × code has the bits of share × value.
        const b = Math.floor(at / block),
          stop = Math.min(end, (b + 1) * block),
          factor = share * SCALES[exponents[b]!]!;
        for (; at < stop; at++) into[at - start] = into[at - start]! + factor * codes[at]!;
      }
    },
  };
}

function sizeBytes(length: number, block: number): number {
  return HEADER_BYTES + Math.ceil(length / block) + length;
}
