// dq of one head of one sequence, an item, four queries at a time: strips of scores and of dy · v (4 × keys) become
// ds = p · (dy · v − dot) in place, and ds multiplies the keys.
import { exp4, four_rows, keep_lanes, lanes_sum, madd, pack, pack_transposed, panels, scaled_row, tile } from "./simd";

export function attention_backward_query(
  qkv: usize, dy: usize, y: usize, lse: usize, dot: usize, dqkv: usize,
  B: i32, T: i32, H: i32, G: i32, D: i32,
  scratch: usize, start: i32, stop: i32,
): void {
  const row: usize = ((H + 2 * G) * D) << 2, outRow: usize = (H * D) << 2, keys = panels(T), width = panels(D);
  const turnedK = scratch, turnedV = turnedK + ((keys * D) << 2), packedK = turnedV + ((keys * D) << 2);
  const lastQ = packedK + ((T * width) << 2), lastSlope = lastQ + (D << 4);
  const scores = lastSlope + (D << 4), products = scores + (keys << 4), out = products + (keys << 4);
  const scale = <f32> (1 / Math.sqrt(<f64> D)), zero = f32x4.splat(0);
  for (let item = start; item < stop; item++) {
    const b = item / H, h = item - b * H, g = h / (H / G);
    const first = qkv + b * T * row, k = first + (((H + g) * D) << 2), v = first + (((H + G + g) * D) << 2);
    pack_transposed(k, row, D, T, turnedK);
    pack_transposed(v, row, D, T, turnedV);
    pack(k, row, T, D, packedK);
    for (let t = 0; t < T; t += 4) {
      const seen = min(T, t + 4);
      let q = first + t * row + ((h * D) << 2), qRow = row;
      let slope = dy + (b * T + t) * outRow + ((h * D) << 2), slopeRow = outRow;
      if (T - t < 4) {
        four_rows(q, row, T - t, D, lastQ);
        four_rows(slope, outRow, T - t, D, lastSlope);
        q = lastQ, slope = lastSlope, qRow = slopeRow = D << 2;
      }
      for (let s = 0; s < seen; s += 16) {
        const panel = (s * D) << 2, to = s << 2;
        tile(q, qRow, turnedK + panel, 64, D, 0, scores + to, keys << 2, false);
        tile(slope, slopeRow, turnedV + panel, 64, D, 0, products + to, keys << 2, false);
      }
      for (let r = 0; r < seen - t; r++) {
        const statistic = (item * T + t + r) << 2, factor = f32x4.splat(scale);
        const output = (b * T + t + r) * outRow + ((h * D) << 2), dyY = dy_dot_y(dy + output, y + output, D);
        f32.store(dot + statistic, dyY);
        const shift = v128.load32_splat(lse + statistic), mean = f32x4.splat(dyY);
        for (let s = 0; s < seen; s += 4) {
          const at = (r * keys + s) << 2;
          const p = exp4(f32x4.sub(f32x4.mul(v128.load(scores + at), factor), shift));
          let ds = f32x4.mul(p, f32x4.sub(v128.load(products + at), mean));
          if (s > t + r - 3) ds = keep_lanes(ds, t + r + 1 - s, zero);
          v128.store(scores + at, ds);
        }
      }
      for (let d = 0; d < D; d += 16) {
        tile(scores, keys << 2, packedK + ((d * T) << 2), 64, seen, 0, out + (d << 2), width << 2, false);
      }
      for (let r = 0; r < seen - t; r++) {
        const to = dqkv + (b * T + t + r) * row + ((h * D) << 2);
        scaled_row(out + ((r * width) << 2), scale, D, to);
      }
    }
  }
}

/** Σ dy · y over the D values of a head. */
function dy_dot_y(dy: usize, y: usize, D: i32): f32 {
  const zero = f32x4.splat(0), whole = D & ~3;
  let sum = zero;
  for (let d = 0; d < whole; d += 4) sum = madd(v128.load(dy + (d << 2)), v128.load(y + (d << 2)), sum);
  if (whole < D) {
    const at: usize = whole << 2;
    sum = f32x4.add(sum, keep_lanes(f32x4.mul(v128.load(dy + at), v128.load(y + at)), D - whole, zero));
  }
  return lanes_sum(sum);
}
