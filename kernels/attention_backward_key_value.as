// dk and dv of a block of keys of one key-value head of one sequence, an item, by strips of eight keys, a lane each: as in
// `attention_backward_query.as` with queries and keys exchanged (a strip is queries × 8). The heads that share the keys
// add up one after the other.
import { exp4, fours, keep_lanes, pack_columns, pack_rows, packed_strip, scale_values, transpose } from "./simd";

const ROWS = 64;

export function attention_backward_key_value(
  qkv: usize, dy: usize, lse: usize, dot: usize, dqkv: usize,
  B: i32, T: i32, H: i32, G: i32, D: i32,
  scratch: usize, start: i32, stop: i32,
): void {
  const row: usize = ((H + 2 * G) * D) << 2, outRow: usize = (H * D) << 2, blocks = (T + ROWS - 1) / ROWS;
  const sharing = H / G, panels = (fours(T) * D) << 2, matrix = (T * fours(D)) << 2, strip = fours(T) << 5;
  const block = fours(D) << 5, sums = block * ((T + 7) >> 3);
  const queries = scratch, slopes = queries + panels, turnedQ = slopes + panels, turnedDy = turnedQ + matrix;
  const dk = turnedDy + matrix, dv = dk + sums, key = dv + sums, value = key + (D << 5);
  const weights = value + (D << 5), products = weights + strip;
  const scale = <f32> (1 / Math.sqrt(<f64> D));
  for (let item = start; item < stop;) {
    const pair = item / blocks, first = item - pair * blocks, last = min(blocks, first + stop - item);
    const b = pair / G, g = pair - b * G, begin = first * ROWS, end = min(T, last * ROWS);
    const rows = qkv + b * T * row, keyOffset: usize = ((H + g) * D) << 2, valueOffset: usize = ((H + G + g) * D) << 2;
    for (let h = g * sharing; h < (g + 1) * sharing; h++) {
      const q = rows + ((h * D) << 2) + begin * row, slope = dy + (b * T + begin) * outRow + ((h * D) << 2);
      const count = T - begin, keep = h > g * sharing;
      pack_rows(q, row, D, count, 4, queries);
      pack_rows(slope, outRow, D, count, 4, slopes);
      pack_columns(q, row, count, D, 4, turnedQ);
      pack_columns(slope, outRow, count, D, 4, turnedDy);
      for (let s = begin; s < end; s += 8) {
        const there = min(8, T - s), seen = T - s, skipped = s - begin, sum = (s >> 3) * block;
        const statistics = ((b * H + h) * T + s) << 2;
        pack_rows(rows + s * row + keyOffset, row, D, there, 8, key);
        pack_rows(rows + s * row + valueOffset, row, D, there, 8, value);
        scale_values(key, D << 3, scale);
        packed_strip(queries + ((skipped * D) << 2), D << 4, key, D, seen, weights, false);
        packed_strip(slopes + ((skipped * D) << 2), D << 4, value, D, seen, products, false);
        differentiate(weights, products, seen, lse + statistics, dot + statistics);
        packed_strip(turnedDy + (skipped << 4), count << 4, weights, seen, D, dv + sum, keep);
        packed_strip(turnedQ + (skipped << 4), count << 4, products, seen, D, dk + sum, keep);
      }
    }
    for (let s = begin; s < end; s += 8) {
      const there = min(8, T - s), sum = (s >> 3) * block, to = dqkv + (b * T + s) * row;
      scale_values(dk + sum, D << 3, scale);
      transpose(dk + sum, 32, D, there, to + keyOffset, row);
      transpose(dv + sum, 32, D, there, to + valueOffset, row);
    }
    item += last - first;
  }
}

/** Turns a strip of scores of the first query and those after it into weights, and `products` into ds. */
function differentiate(strip: usize, products: usize, count: i32, lse: usize, dot: usize): void {
  const zero = f32x4.splat(0);
  for (let t = 0; t < count; t++, strip += 32, products += 32, lse += 4, dot += 4) {
    const shift = v128.load32_splat(lse), mean = v128.load32_splat(dot);
    let p0 = exp4(f32x4.sub(v128.load(strip), shift)), p1 = exp4(f32x4.sub(v128.load(strip, 16), shift));
    // A query sees the keys up to its own: of the first eight, one more each time.
    if (t < 7) p0 = keep_lanes(p0, t + 1, zero), p1 = keep_lanes(p1, t - 3, zero);
    v128.store(strip, p0);
    v128.store(strip, p1, 16);
    v128.store(products, f32x4.mul(p0, f32x4.sub(v128.load(products), mean)));
    v128.store(products, f32x4.mul(p1, f32x4.sub(v128.load(products, 16), mean)), 16);
  }
}
