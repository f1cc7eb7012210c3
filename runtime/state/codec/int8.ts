/**
 * Dense int8 with one power-of-two scale for each block: a value is code × 2^(exponent − 127).
 *
 * After the header come one biased exponent (a byte) for each block and one code (a signed byte) for each value, in
 * order. This is the form of what the kernel `quantise_int8` leaves on a device: `packInt8` only moves its bytes.
 * Powers of two make decoding exact: no rounding, so no room for two machines to differ.
 * @module
 */
import { quantiseInt8 } from "../../../kernels/quantise_int8.ts";
import type { Codec } from "./codec.ts";
import { CODEC_IDS, HEADER_BYTES, readHeader, writeHeader } from "./header.ts";
import { Int8Vector, LARGEST_EXPONENT } from "./int8_vector.ts";

/** Values that share one scale. Any power of two in the accepted range is read; this one is written. */
export const INT8_BLOCK = 64;
const LEAST_BLOCK = 16, LARGEST_BLOCK = 4096;

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
    for (let block = 0; block < blockCount; block++) {
      const exponent = exponents[block]!;
      if (exponent > LARGEST_EXPONENT) {
        return { ok: false, reason: `is not finite: block ${block} has the exponent ${exponent}` };
      }
    }
    const codes = new Int8Array(bytes.buffer, bytes.byteOffset + HEADER_BYTES + blockCount, length);
    return { ok: true, vector: new Int8Vector({ codes, exponents, block }) };
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

/** Brings what a device quantised into the codec's bytes. A copy: the lowest byte comes first on every machine there is. */
export function packInt8({ codes, exponents, length, block }: QuantisedInt8): Uint8Array<ArrayBuffer> {
  const blockCount = Math.ceil(length / block);
  const bytes = new Uint8Array(sizeBytes(length, block));
  writeHeader(bytes, { codec: CODEC_IDS.int8, block, length });
  bytes.set(exponents.subarray(0, blockCount), HEADER_BYTES);
  bytes.set(new Uint8Array(codes.buffer, codes.byteOffset, length), HEADER_BYTES + blockCount);
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

function sizeBytes(length: number, block: number): number {
  return HEADER_BYTES + Math.ceil(length / block) + length;
}
