// Attention of one head of one sequence, an item, four queries at a time: a strip of scores (4 × keys) is a product of
// tiles, becomes weights in place, and multiplies the values. Scores above the diagonal are made by whole tiles and
// then overwritten with zeros.
import { exp4, four_rows, keep_lanes, lanes_max, lanes_sum, ln, pack, pack_transposed, panels, scaled_row, tile } from "./simd";

export function attention(
  qkv: usize, y: usize, lse: usize,
  B: i32, T: i32, H: i32, G: i32, D: i32,
  scratch: usize, start: i32, stop: i32,
): void {
  const row: usize = ((H + 2 * G) * D) << 2, keys = panels(T), width = panels(D);
  const packedK = scratch, packedV = packedK + ((keys * D) << 2), query = packedV + ((T * width) << 2);
  const scores = query + (D << 4), out = scores + (keys << 4), factors = out + (width << 4);
  const scale = <f32> (1 / Math.sqrt(<f64> D));
  for (let item = start; item < stop; item++) {
    const b = item / H, h = item - b * H, g = h / (H / G), first = qkv + b * T * row;
    pack_transposed(first + (((H + g) * D) << 2), row, D, T, packedK);
    pack(first + (((H + G + g) * D) << 2), row, T, D, packedV);
    for (let t = 0; t < T; t += 4) {
      const seen = min(T, t + 4);
      let from = first + t * row + ((h * D) << 2), fromRow = row;
      if (T - t < 4) {
        four_rows(from, row, T - t, D, query);
        from = query, fromRow = D << 2;
      }
      for (let s = 0; s < seen; s += 16) {
        tile(from, fromRow, packedK + ((s * D) << 2), 64, D, 0, scores + (s << 2), keys << 2, false);
      }
      for (let r = 0; r < seen - t; r++) {
        const sum = soften(scores + ((r * keys) << 2), t + r + 1, seen, scale, lse + ((item * T + t + r) << 2));
        f32.store(factors + (r << 2), 1 / sum);
      }
      for (let d = 0; d < D; d += 16) {
        tile(scores, keys << 2, packedV + ((d * T) << 2), 64, seen, 0, out + (d << 2), width << 2, false);
      }
      for (let r = 0; r < seen - t; r++) {
        const to = y + ((((b * T + t + r) * H + h) * D) << 2);
        scaled_row(out + ((r * width) << 2), f32.load(factors + (r << 2)), D, to);
      }
    }
  }
}

/**
 * Turns `count` scores into eˢ⁻ᵐ with m the largest, zeros behind them up to `end`; leaves m + ln Σ at `lse` and
 * returns the sum.
 */
function soften(row: usize, count: i32, end: i32, scale: f32, lse: usize): f32 {
  const lowest = f32x4.splat(-Infinity);
  let most = lowest;
  const whole = count & ~3;
  for (let s = 0; s < whole; s += 4) most = f32x4.pmax(most, v128.load(row + (s << 2)));
  if (whole < count) most = f32x4.pmax(most, keep_lanes(v128.load(row + (whole << 2)), count - whole, lowest));
  const largest = lanes_max(most) * scale, factor = f32x4.splat(scale), shift = f32x4.splat(largest);
  const zero = f32x4.splat(0);
  let sums = zero;
  for (let s = 0; s < end; s += 4) {
    const at = row + (s << 2);
    let weight = exp4(f32x4.sub(f32x4.mul(v128.load(at), factor), shift));
    if (s + 4 > count) weight = keep_lanes(weight, count - s, zero);
    v128.store(at, weight);
    sums = f32x4.add(sums, weight);
  }
  const sum = lanes_sum(sums);
  f32.store(lse, largest + <f32> ln(sum));
  return sum;
}
