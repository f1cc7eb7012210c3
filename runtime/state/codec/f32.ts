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
    const view = new DataView(bytes.buffer);
    values.forEach((value, i) => view.setFloat32(HEADER_BYTES + 4 * i, value, true));
    return { bytes, residual: new Float32Array(values.length) };
  },

  open(bytes, length) {
    const header = readHeader(bytes, { codec: CODEC_IDS.f32, length });
    if ("reason" in header) return { ok: false, reason: header.reason };
    if (header.block !== 1) return { ok: false, reason: `has blocks of ${header.block} values, f32 has none` };
    if (bytes.length !== f32.sizeBytes(length)) {
      return { ok: false, reason: `has ${bytes.length} bytes, ${length} values need ${f32.sizeBytes(length)}` };
    }
    return { ok: true, vector: vectorOf(new DataView(bytes.buffer, bytes.byteOffset + HEADER_BYTES), length) };
  },
};

function vectorOf(values: DataView, length: number): EncodedVector {
  return {
    length,
    normSquared() {
      // Squares of f32 cannot overflow an f64 sum: only a value that is not finite makes it so.
      let sum = 0;
      for (let i = 0; i < length; i++) sum += values.getFloat32(4 * i, true) ** 2;
      return sum;
    },
    addTo(into, { start, share }) {
      for (let i = 0; i < into.length; i++) into[i] = into[i]! + share * values.getFloat32(4 * (start + i), true);
    },
  };
}
