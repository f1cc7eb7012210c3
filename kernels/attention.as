// Attention of one head of one sequence to a block of queries, an item, by strips of eight queries, a lane each. A strip
// of scores (keys × 8) is a product of the keys, becomes weights in place, and multiplies the values turned over. Above
// the diagonal there are only the last keys of a strip: lanes that do not see them get zero.
//
// Keys and values are packed once for those queries of a head that follow each other in a thread's range.
import {
  exp4, fours, keep_from, ln, pack_columns, pack_rows, packed_strip, scale_values, touch_rows, transpose,
} from "./simd";

const ROWS = 64;

export function attention(
  qkv: usize, y: usize, lse: usize,
  B: i32, T: i32, H: i32, G: i32, D: i32,
  scratch: usize, start: i32, stop: i32,
): void {
  const row: usize = ((H + 2 * G) * D) << 2, outRow: usize = (H * D) << 2, blocks = (T + ROWS - 1) / ROWS;
  const keys = scratch, values = keys + ((fours(T) * D) << 2), query = values + ((T * fours(D)) << 2);
  const out = query + (D << 5), sums = out + (fours(D) << 5), scores = sums + 64;
  const scale = <f32> (1 / Math.sqrt(<f64> D));
  for (let item = start; item < stop;) {
    const head = item / blocks, first = item - head * blocks, last = min(blocks, first + stop - item);
    const b = head / H, h = head - b * H, g = h / (H / G), end = min(T, last * ROWS);
    const rows = qkv + b * T * row, from = rows + ((h * D) << 2), to = y + b * T * outRow + ((h * D) << 2);
    const k = rows + (((H + g) * D) << 2), v = rows + (((H + G + g) * D) << 2), begin = first * ROWS;
    touch_rows(k, row, end, D, scores);
    touch_rows(v, row, end, D, scores);
    touch_rows(from + begin * row, row, end - begin, D, scores);
    pack_rows(k, row, D, end, 4, keys);
    pack_columns(v, row, end, D, 4, values);
    for (let t = begin; t < end; t += 8) {
      const there = min(8, T - t), seen = t + there;
      pack_rows(from + t * row, row, D, there, 8, query);
      scale_values(query, D << 3, scale);
      packed_strip(keys, D << 4, query, D, seen, scores, false);
      soften(scores, t, seen, sums);
      packed_strip(values, end << 4, scores, seen, D, out, false);
      divide_rows(out, D, sums + 32);
      transpose(out, 32, D, there, to + t * outRow, outRow);
      for (let r: usize = 0; r < <usize> there; r++) {
        const sum = ln(f32.load(sums + 32 + (r << 2)));
        f32.store(lse + ((head * T + t) << 2) + (r << 2), f32.load(sums + (r << 2)) + <f32> sum);
      }
    }
    item += last - first;
  }
}

/**
 * Turns a strip of scores of the queries t, t + 1, … into eˢ⁻ᵐ, with m a query's largest, and 0 for keys behind it;
 * leaves m and Σ of the eight at `sums`. Sums are made over 64 keys, and of these.
 */
function soften(strip: usize, t: i32, seen: i32, sums: usize): void {
  const zero = f32x4.splat(0), lowest = f32x4.splat(-Infinity), behind = strip + ((t + 1) << 5);
  let most0 = lowest, most1 = lowest, sum0 = zero, sum1 = zero, at = strip;
  for (; at < behind; at += 32) {
    most0 = f32x4.pmax(most0, v128.load(at));
    most1 = f32x4.pmax(most1, v128.load(at, 16));
  }
  for (let r = 1; r < seen - t; r++, at += 32) {
    most0 = f32x4.pmax(most0, keep_from(v128.load(at), r, lowest));
    most1 = f32x4.pmax(most1, keep_from(v128.load(at, 16), r - 4, lowest));
  }
  for (at = strip; at < behind;) {
    let part0 = zero, part1 = zero;
    for (const stop = min(behind, at + 64 * 32); at < stop; at += 32) {
      const e0 = exp4(f32x4.sub(v128.load(at), most0)), e1 = exp4(f32x4.sub(v128.load(at, 16), most1));
      v128.store(at, e0);
      v128.store(at, e1, 16);
      part0 = f32x4.add(part0, e0);
      part1 = f32x4.add(part1, e1);
    }
    sum0 = f32x4.add(sum0, part0);
    sum1 = f32x4.add(sum1, part1);
  }
  for (let r = 1; r < seen - t; r++, at += 32) {
    const e0 = keep_from(exp4(f32x4.sub(v128.load(at), most0)), r, zero);
    const e1 = keep_from(exp4(f32x4.sub(v128.load(at, 16), most1)), r - 4, zero);
    v128.store(at, e0);
    v128.store(at, e1, 16);
    sum0 = f32x4.add(sum0, e0);
    sum1 = f32x4.add(sum1, e1);
  }
  v128.store(sums, most0);
  v128.store(sums, most1, 16);
  v128.store(sums, sum0, 32);
  v128.store(sums, sum1, 48);
}

/** Divides `count` rows of eight by the eight at `by`. */
function divide_rows(row: usize, count: i32, by: usize): void {
  const one = f32x4.splat(1), factor0 = f32x4.div(one, v128.load(by)), factor1 = f32x4.div(one, v128.load(by, 16));
  for (let i = 0; i < count; i++, row += 32) {
    v128.store(row, f32x4.mul(v128.load(row), factor0));
    v128.store(row, f32x4.mul(v128.load(row, 16), factor1), 16);
  }
}
