// dk and dv of one key-value head of one sequence, an item, four keys at a time: as in attention_backward_query with
// the strips turned over (4 keys × queries), so that both results are products of a strip with rows of dy and of q.
// The heads that share the keys add up one after the other.
import { exp4, four_rows, keep_lanes, pack, pack_transposed, panels, scaled_row, tile } from "./simd";

export function attention_backward_key_value(
  qkv: usize, dy: usize, lse: usize, dot: usize, dqkv: usize,
  B: i32, T: i32, H: i32, G: i32, D: i32,
  scratch: usize, start: i32, stop: i32,
): void {
  const row: usize = ((H + 2 * G) * D) << 2, outRow: usize = (H * D) << 2, queries = panels(T), width = panels(D);
  const sharing = H / G, panel = (queries * D) << 2, matrix = (T * width) << 2;
  const turnedQ = scratch, turnedDy = turnedQ + panel, packedQ = turnedDy + panel, packedDy = packedQ + matrix;
  const dk = packedDy + matrix, dv = dk + matrix + (width << 4);
  const lastKey = dv + matrix + (width << 4), lastValue = lastKey + (D << 4);
  const weights = lastValue + (D << 4), slopes = weights + (queries << 4);
  const scale = <f32> (1 / Math.sqrt(<f64> D)), factor = f32x4.splat(scale), zero = f32x4.splat(0);
  for (let item = start; item < stop; item++) {
    const b = item / G, g = item - b * G, first = qkv + b * T * row;
    const keyOffset = ((H + g) * D) << 2, valueOffset = ((H + G + g) * D) << 2;
    for (let h = g * sharing; h < (g + 1) * sharing; h++) {
      const q = first + ((h * D) << 2), slope = dy + b * T * outRow + ((h * D) << 2);
      const statistics = ((b * H + h) * T) << 2, keep = h > g * sharing;
      pack_transposed(q, row, D, T, turnedQ);
      pack_transposed(slope, outRow, D, T, turnedDy);
      pack(q, row, T, D, packedQ);
      pack(slope, outRow, T, D, packedDy);
      for (let s = 0; s < T; s += 4) {
        let key = first + s * row + keyOffset, value = first + s * row + valueOffset, keyRow = row;
        if (T - s < 4) {
          four_rows(key, row, T - s, D, lastKey);
          four_rows(value, row, T - s, D, lastValue);
          key = lastKey, value = lastValue, keyRow = D << 2;
        }
        for (let t = s & ~15; t < T; t += 16) {
          tile(key, keyRow, turnedQ + ((t * D) << 2), 64, D, 0, weights + (t << 2), queries << 2, false);
          tile(value, keyRow, turnedDy + ((t * D) << 2), 64, D, 0, slopes + (t << 2), queries << 2, false);
        }
        for (let r = 0; r < 4; r++) {
          for (let t = s; t < T; t += 4) {
            const at = (r * queries + t) << 2;
            const shift = v128.load(lse + statistics + (t << 2)), mean = v128.load(dot + statistics + (t << 2));
            let p = exp4(f32x4.sub(f32x4.mul(v128.load(weights + at), factor), shift));
            // Queries before the key see nothing of it: in the first four, the first r.
            if (t === s) p = keep_lanes(zero, r, p);
            v128.store(weights + at, p);
            v128.store(slopes + at, f32x4.mul(p, f32x4.sub(v128.load(slopes + at), mean)));
          }
        }
        const depth = T - s, strip = s << 2;
        for (let d = 0; d < D; d += 16) {
          const from = (d * T + (s << 4)) << 2, to = (s * width + d) << 2;
          tile(weights + strip, queries << 2, packedDy + from, 64, depth, 0, dv + to, width << 2, keep);
          tile(slopes + strip, queries << 2, packedQ + from, 64, depth, 0, dk + to, width << 2, keep);
        }
      }
    }
    for (let s = 0; s < T; s++) {
      const from = (s * width) << 2, to = dqkv + (b * T + s) * row;
      scaled_row(dk + from, scale, D, to + keyOffset);
      scaled_row(dv + from, 1, D, to + valueOffset);
    }
  }
}
