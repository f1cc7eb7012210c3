// dk and dv of a block of keys of one key-value head of one sequence, an item, by strips of eight keys, a lane each: as in
// `attention_backward_query.as` with queries and keys exchanged (a strip is queries × 8). The heads that share the keys
// add up one after the other.
//
// `attention_backward` does the work of `attention_backward_query` as well, with all keys of a key-value head for an item:
// five products instead of seven, since both need the scores and dy · v. Its dq is the sum over the same 64 keys at a
// time in the same order, so that it has the same bits.
import {
  dot_product, eights, exp4, fours, keep_lanes, pack_columns, pack_rows, packed_strip, packed_tile, scale_values,
  store_lanes, touch_rows, transpose, transpose4,
} from "./simd";

const ROWS = 64;

export function attention_backward_key_value(
  qkv: usize, dy: usize, lse: usize, dot: usize, dqkv: usize,
  B: i32, T: i32, H: i32, G: i32, D: i32,
  scratch: usize, start: i32, stop: i32,
): void {
  const blocks = (T + ROWS - 1) / ROWS;
  for (let item = start; item < stop;) {
    const pair = item / blocks, first = item - pair * blocks, last = min(blocks, first + stop - item);
    differentiate_keys(qkv, dy, 0, lse, dot, dqkv, T, H, G, D, scratch, pair, first * ROWS, min(T, last * ROWS));
    item += last - first;
  }
}

export function attention_backward(
  qkv: usize, dy: usize, y: usize, lse: usize, dot: usize, dqkv: usize,
  B: i32, T: i32, H: i32, G: i32, D: i32,
  scratch: usize, start: i32, stop: i32,
): void {
  for (let pair = start; pair < stop; pair++) {
    differentiate_keys(qkv, dy, y, lse, dot, dqkv, T, H, G, D, scratch, pair, 0, T);
  }
}

/** dk and dv of the keys from `begin` to `end` of a sequence and key-value head; if there is a `y`, dot and dq too. */
function differentiate_keys(
  qkv: usize, dy: usize, y: usize, lse: usize, dot: usize, dqkv: usize,
  T: i32, H: i32, G: i32, D: i32,
  scratch: usize, pair: i32, begin: i32, end: i32,
): void {
  const row: usize = ((H + 2 * G) * D) << 2, outRow: usize = (H * D) << 2, b = pair / G, g = pair - b * G;
  const sharing = H / G, panels = (fours(T) * D) << 2, matrix = (T * fours(D)) << 2, strip = fours(T) << 5;
  const block = fours(D) << 5, sums = block * ((T + 7) >> 3), dqRow: usize = eights(D) << 2;
  const queries = scratch, slopes = queries + panels, turnedQ = slopes + panels, turnedDy = turnedQ + matrix;
  const dk = turnedDy + matrix, dv = dk + sums, key = dv + sums, value = key + (D << 5);
  const weights = value + (D << 5), products = weights + strip;
  const keys = products + strip * (ROWS >> 3), dq = keys + T * dqRow, panel = dq + fours(T) * dqRow;
  const scale = <f32> (1 / Math.sqrt(<f64> D)), count = T - begin;
  const rows = qkv + b * T * row, to = dqkv + b * T * row;
  const keyOffset: usize = ((H + g) * D) << 2, valueOffset: usize = ((H + G + g) * D) << 2;
  touch_rows(rows + keyOffset + begin * row, row, end - begin, D, weights);
  touch_rows(rows + valueOffset + begin * row, row, end - begin, D, weights);
  if (y) pack_columns(rows + keyOffset, row, T, D, 8, keys);
  for (let h = g * sharing; h < (g + 1) * sharing; h++) {
    const offset = (h * D) << 2, q = rows + offset + begin * row, output = (b * T + begin) * outRow + offset;
    const keep = h > g * sharing, statistics = ((b * H + h) * T) << 2;
    touch_rows(q, row, count, D, weights);
    touch_rows(dy + output, outRow, count, D, weights);
    if (y) touch_rows(y + output, outRow, count, D, weights);
    pack_rows(q, row, D, count, 4, queries);
    pack_rows(dy + output, outRow, D, count, 4, slopes);
    pack_columns(q, row, count, D, 4, turnedQ);
    pack_columns(dy + output, outRow, count, D, 4, turnedDy);
    if (y) {
      for (let t = 0; t < T; t++) {
        const at = output + t * outRow;
        f32.store(dot + statistics + (t << 2), dot_product(dy + at, y + at, D));
      }
    }
    for (let s = begin; s < end; s += 8) {
      const there = min(8, T - s), seen = T - s, skipped = s - begin, sum = (s >> 3) * block, at = statistics + (s << 2);
      const ds = y ? products + ((s % ROWS) >> 3) * strip : products;
      pack_rows(rows + s * row + keyOffset, row, D, there, 8, key);
      pack_rows(rows + s * row + valueOffset, row, D, there, 8, value);
      scale_values(key, D << 3, scale);
      packed_strip(queries + ((skipped * D) << 2), D << 4, key, D, seen, weights, false);
      packed_strip(slopes + ((skipped * D) << 2), D << 4, value, D, seen, ds, false);
      differentiate(weights, ds, seen, lse + at, dot + at);
      packed_strip(turnedDy + (skipped << 4), count << 4, weights, seen, D, dv + sum, keep);
      packed_strip(turnedQ + (skipped << 4), count << 4, ds, seen, D, dk + sum, keep);
      if (y && (s + 8 >= end || (s + 8) % ROWS === 0)) {
        add_queries(products, strip, keys, s - s % ROWS, T, D, panel, dq);
      }
    }
    if (y) store_rows(dq, dqRow, T, D, scale, to + offset, row);
  }
  for (let s = begin; s < end; s += 8) {
    const there = min(8, T - s), sum = (s >> 3) * block, at = to + s * row;
    scale_values(dk + sum, D << 3, scale);
    transpose(dk + sum, 32, D, there, at + keyOffset, row);
    transpose(dv + sum, 32, D, there, at + valueOffset, row);
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

/**
 * dq = [dq +] ds · keys for the block of keys from `first` on and the queries that see one of them, by fours: their ds,
 * which lie in strips of eight keys, are turned into a panel.
 */
function add_queries(
  strips: usize, strip: usize, keys: usize, first: i32, T: i32, D: i32,
  panel: usize, dq: usize,
): void {
  const dqRow: usize = eights(D) << 2, column: usize = T << 5;
  for (let t = first; t < T; t += 4) {
    const depth = min(ROWS, min(((t - first) | 7) + 1, T - first));
    let from = strips + ((t - first) << 5), into = panel;
    for (let s = 0; s < depth; s += 8, from += strip - 256, into += 128) {
      transpose4(from, 32, into, 16);
      transpose4(from + 16, 32, into + 64, 16);
    }
    let key = keys + (first << 5), to = dq + t * dqRow;
    for (let d = 0; d < D; d += 8, key += column, to += 32) packed_tile(panel, key, depth, 0, to, dqRow, first > 0);
  }
}

/** Copies rows of D values, times a factor. */
function store_rows(from: usize, fromRow: usize, count: i32, D: i32, factor: f32, to: usize, toRow: usize): void {
  const scale = f32x4.splat(factor);
  for (let t = 0; t < count; t++, from += fromRow, to += toRow) {
    for (let d = 0; d < D; d += 4) {
      const at: usize = d << 2;
      store_lanes(to + at, f32x4.mul(v128.load(from + at), scale), D - d);
    }
  }
}
