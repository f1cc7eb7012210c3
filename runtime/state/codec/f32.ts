/**
 * The codec that loses nothing: a header and the values as little-endian f32. For tests and for measuring what other
 * codecs cost; four times the bytes of int8.
 * @module
 */
import type { Codec, EncodedVector } from "./codec.ts";
import { CODEC_IDS, HEADER_BYTES, readHeader, writeHeader } from "./header.ts";

export const f32: Codec = {
  name: "f32",
  sizeBytes: (length) => HEADER_BYTES + 4 * length,

  encode(values) {
    const bytes = new Uint8Array(f32.sizeBytes(values.length));
    writeHeader(bytes, { codec: CODEC_IDS.f32, block: 1, length: values.length });
    new Float32Array(bytes.buffer, HEADER_BYTES).set(values); // little-endian, as in `valuesOf`
    return { bytes, residual: new Float32Array(values.length) };
  },

  open(bytes, length) {
    const header = readHeader(bytes, { codec: CODEC_IDS.f32, length });
    if ("reason" in header) return { ok: false, reason: header.reason };
    if (header.block !== 1) return { ok: false, reason: `has blocks of ${header.block} values, f32 has none` };
    if (bytes.length !== f32.sizeBytes(length)) {
      return { ok: false, reason: `has ${bytes.length} bytes, ${length} values need ${f32.sizeBytes(length)}` };
    }
    return { ok: true, vector: new F32Vector(valuesOf(bytes, length)) };
  },
};

/** A view where the bytes are aligned, else a copy. Right on little-endian machines, the only ones there are. */
function valuesOf(bytes: Uint8Array, length: number): Float32Array {
  const start = bytes.byteOffset + HEADER_BYTES;
  return start % 4 === 0
    ? new Float32Array(bytes.buffer, start, length)
    : new Float32Array(new Uint8Array(bytes.subarray(HEADER_BYTES)).buffer);
}

export class F32Vector implements EncodedVector {
  readonly length: number;
  readonly values: Float32Array;

  constructor(values: Float32Array) {
    this.length = values.length;
    this.values = values;
  }

  normSquared(): number {
    const { values } = this;
    // Squares of f32 cannot overflow an f64 sum: only a value that is not finite makes it so.
    let sum = 0;
    for (let i = 0; i < values.length; i++) sum += values[i]! * values[i]!;
    return sum;
  }

  addTo(into: Float64Array, { start, share }: { readonly start: number; readonly share: number }): void {
    const { values } = this;
    for (let i = 0; i < into.length; i++) into[i] = into[i]! + share * values[start + i]!;
  }
}
