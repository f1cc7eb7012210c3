// dq of a block of queries of one head of one sequence, an item, by strips of eight queries as in `attention.as`: those
// of scores and of dy · v (keys × 8) become ds = p · (dy · v − dot) in place, which multiplies the keys turned over.
//
// Sums of dq are made over 64 keys at a time, and the keys are what is scaled, as in `attention_backward`.
import {
  dot_product, exp4, fours, keep_from, pack_columns, pack_rows, packed_strip, scale_values, touch_rows,
  transpose,
} from "./simd";

const ROWS = 64;

export function attention_backward_query(
  qkv: usize, dy: usize, y: usize, lse: usize, dot: usize, dqkv: usize,
  B: i32, T: i32, H: i32, G: i32, D: i32,
  scratch: usize, start: i32, stop: i32,
): void {
  const row: usize = ((H + 2 * G) * D) << 2, outRow: usize = (H * D) << 2, blocks = (T + ROWS - 1) / ROWS;
  const panels = (fours(T) * D) << 2, strip = fours(T) << 5;
  const keys = scratch, values = keys + panels, turned = values + panels, query = turned + ((T * fours(D)) << 2);
  const slope = query + (D << 5), out = slope + (D << 5), scores = out + (fours(D) << 5), products = scores + strip;
  const scale = <f32> (1 / Math.sqrt(<f64> D));
  for (let item = start; item < stop;) {
    const head = item / blocks, first = item - head * blocks, last = min(blocks, first + stop - item);
    const b = head / H, h = head - b * H, g = h / (H / G), end = min(T, last * ROWS);
    const rows = qkv + b * T * row, k = rows + (((H + g) * D) << 2), v = rows + (((H + G + g) * D) << 2);
    const offset = (h * D) << 2, outputs = b * T * outRow + offset, from = rows + offset;
    const begin = first * ROWS, count = end - begin;
    touch_rows(k, row, end, D, scores);
    touch_rows(v, row, end, D, scores);
    touch_rows(from + begin * row, row, count, D, scores);
    touch_rows(dy + outputs + begin * outRow, outRow, count, D, scores);
    touch_rows(y + outputs + begin * outRow, outRow, count, D, scores);
    pack_rows(k, row, D, end, 4, keys);
    pack_rows(v, row, D, end, 4, values);
    pack_columns(k, row, end, D, 4, turned);
    scale_values(keys, fours(end) * D, scale);
    for (let t = begin; t < end; t += 8) {
      const there = min(8, T - t), seen = t + there, output = outputs + t * outRow, statistics = (head * T + t) << 2;
      pack_rows(from + t * row, row, D, there, 8, query);
      pack_rows(dy + output, outRow, D, there, 8, slope);
      for (let r = 0; r < there; r++) {
        const at = output + r * outRow;
        f32.store(dot + statistics + (r << 2), dot_product(dy + at, y + at, D));
      }
      packed_strip(keys, D << 4, query, D, seen, scores, false);
      packed_strip(values, D << 4, slope, D, seen, products, false);
      differentiate(scores, products, t, seen, lse + statistics, dot + statistics);
      for (let s = 0; s < seen; s += ROWS) {
        packed_strip(turned + (s << 4), end << 4, scores + (s << 5), min(ROWS, seen - s), D, out, s > 0);
      }
      scale_values(out, D << 3, scale);
      transpose(out, 32, D, there, dqkv + b * T * row + t * row + offset, row);
    }
    item += last - first;
  }
}

/** Turns a strip of scores of the queries t, t + 1, … into ds. Lanes of queries that there are not hold anything. */
function differentiate(strip: usize, products: usize, t: i32, seen: i32, lse: usize, dot: usize): void {
  const zero = f32x4.splat(0), shift0 = v128.load(lse), shift1 = v128.load(lse, 16);
  const mean0 = v128.load(dot), mean1 = v128.load(dot, 16);
  for (let s = 0; s < seen; s++, strip += 32, products += 32) {
    const p0 = exp4(f32x4.sub(v128.load(strip), shift0)), p1 = exp4(f32x4.sub(v128.load(strip, 16), shift1));
    let ds0 = f32x4.mul(p0, f32x4.sub(v128.load(products), mean0));
    let ds1 = f32x4.mul(p1, f32x4.sub(v128.load(products, 16), mean1));
    if (s > t) ds0 = keep_from(ds0, s - t, zero), ds1 = keep_from(ds1, s - t - 4, zero);
    v128.store(strip, ds0);
    v128.store(strip, ds1, 16);
  }
}
