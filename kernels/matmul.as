// y = [y +] a · b [+ bias] [+ residual] by 4 × 8 tiles. An item is a block of 64 × 128 of y; blocks of one column of
// blocks follow each other, so that a thread packs a panel of b once for all of its rows. K is cut into slices of 256
// that fit the caches; the slices are added in order, whatever thread runs the item.
import { keep_lanes, lanes_sum, madd, store_lanes, transpose } from "./simd";

const ROWS = 64, COLUMNS = 128, DEPTH = 256;

export function matmul(
  a: usize, b: usize, bias: usize, residual: usize, y: usize,
  M: i32, N: i32, K: i32, TRANSPOSE_A: i32, TRANSPOSE_B: i32, BIAS: i32, RESIDUAL: i32, ACCUMULATE: i32,
  scratch: usize, start: i32, stop: i32,
): void {
  const packedB = scratch, packedA = packedB + DEPTH * COLUMNS * 4, edge = packedA + DEPTH * ROWS * 4;
  const blocks = (M + ROWS - 1) / ROWS;
  if (M < 4 && TRANSPOSE_B && !TRANSPOSE_A) {
    const last = min(N, stop * COLUMNS);
    few_rows(a, b, BIAS ? bias : 0, RESIDUAL ? residual : 0, y, M, N, K, ACCUMULATE !== 0, start * COLUMNS, last);
    return;
  }
  for (let item = start; item < stop;) {
    const column = item / blocks, first = item - column * blocks;
    const last = min(blocks, first + stop - item);
    const n = column * COLUMNS, columns = min(COLUMNS, N - n);
    for (let k = 0; k < K; k += DEPTH) {
      const depth = min(DEPTH, K - k);
      if (TRANSPOSE_B) pack_rows(b + ((n * K + k) << 2), K << 2, depth, columns, 8, packedB);
      else pack_columns(b + ((k * N + n) << 2), N << 2, depth, columns, 8, packedB);
      const keep: bool = k > 0 || RESIDUAL !== 0 || ACCUMULATE !== 0;
      for (let block = first; block < last; block++) {
        const m = block * ROWS, rows = min(ROWS, M - m);
        if (RESIDUAL && k === 0) {
          for (let i = 0; i < rows; i++) {
            const at: usize = ((m + i) * N + n) << 2;
            if (ACCUMULATE) add_row(residual + at, columns, y + at);
            else memory.copy(y + at, residual + at, columns << 2);
          }
        }
        if (TRANSPOSE_A) pack_columns(a + ((k * M + m) << 2), M << 2, depth, rows, 4, packedA);
        else pack_rows(a + ((m * K + k) << 2), K << 2, depth, rows, 4, packedA);
        for (let j = 0; j < columns; j += 8) {
          const panel = packedB + ((j * depth) << 2), offset = BIAS && k === 0 ? bias + ((n + j) << 2) : 0;
          for (let i = 0; i < rows; i += 4) {
            const four = packedA + ((i * depth) << 2), y4 = y + (((m + i) * N + n + j) << 2);
            if (rows - i >= 4 && columns - j >= 8) packed_tile(four, panel, depth, offset, y4, N << 2, keep);
            else edge_tile(four, panel, depth, offset, y4, N << 2, keep, min(4, rows - i), min(8, columns - j), edge);
          }
        }
      }
    }
    item += last - first;
  }
}

/**
 * Packs a matrix (`depth` × `columns`, rows `row` bytes apart) in panels of `width` columns, 4 or 8, one panel after
 * another, with zeros behind the last column.
 */
function pack_columns(from: usize, row: usize, depth: i32, columns: i32, width: i32, to: usize): void {
  const bytes = width << 2;
  for (let j = 0; j < columns; j += width, from += bytes, to += depth * bytes) {
    const there = min(width, columns - j);
    let at = from, into = to;
    if (there < width) {
      memory.fill(to, 0, depth * bytes);
      for (let k = 0; k < depth; k++, at += row, into += bytes) memory.copy(into, at, there << 2);
    } else {
      for (let k = 0; k < depth; k++, at += row, into += bytes) {
        v128.store(into, v128.load(at));
        if (width === 8) v128.store(into, v128.load(at, 16), 16);
      }
    }
  }
}

/** The same for a matrix that is stored the other way round: `columns` rows of `depth` values. */
function pack_rows(from: usize, row: usize, depth: i32, columns: i32, width: i32, to: usize): void {
  const bytes = width << 2;
  for (let j = 0; j < columns; j += width, from += width * row, to += depth * bytes) {
    const there = min(width, columns - j);
    if (there < width) memory.fill(to, 0, depth * bytes);
    transpose(from, row, there, depth, to, bytes);
  }
}

/**
 * y (4 × 8) = [y if `keep`] + [bias (8) if not 0] + a (4 × depth) · b (depth × 8), both packed. Eight sums and their
 * operands fit the sixteen registers of x86; of more, engines put some aside in every step. One load and four shuffles
 * give the factors of four rows sooner than four loads.
 */
function packed_tile(a: usize, b: usize, depth: i32, bias: usize, y: usize, yRow: usize, keep: bool): void {
  let y00 = f32x4.splat(0), y01 = y00;
  if (bias) {
    y00 = v128.load(bias);
    y01 = v128.load(bias, 16);
  }
  let y10 = y00, y11 = y01, y20 = y00, y21 = y01, y30 = y00, y31 = y01;
  for (let k = 0; k < depth; k++) {
    const b0 = v128.load(b), b1 = v128.load(b, 16), four = v128.load(a);
    const x0 = v128.shuffle<f32>(four, four, 0, 0, 0, 0);
    y00 = madd(x0, b0, y00), y01 = madd(x0, b1, y01);
    const x1 = v128.shuffle<f32>(four, four, 1, 1, 1, 1);
    y10 = madd(x1, b0, y10), y11 = madd(x1, b1, y11);
    const x2 = v128.shuffle<f32>(four, four, 2, 2, 2, 2);
    y20 = madd(x2, b0, y20), y21 = madd(x2, b1, y21);
    const x3 = v128.shuffle<f32>(four, four, 3, 3, 3, 3);
    y30 = madd(x3, b0, y30), y31 = madd(x3, b1, y31);
    a += 16, b += 32;
  }
  store_eight(y, keep, y00, y01);
  store_eight(y + yRow, keep, y10, y11);
  store_eight(y + 2 * yRow, keep, y20, y21);
  store_eight(y + 3 * yRow, keep, y30, y31);
}

// @ts-ignore: decorator
@inline
function store_eight(y: usize, keep: bool, y0: v128, y1: v128): void {
  v128.store(y, keep ? f32x4.add(v128.load(y), y0) : y0);
  v128.store(y, keep ? f32x4.add(v128.load(y, 16), y1) : y1, 16);
}

/** y = [y] [+ bias] [+ residual] in a block of y, to which a product is then added. */
export function matmul_begin(
  a: usize, b: usize, bias: usize, residual: usize, y: usize,
  M: i32, N: i32, K: i32, TRANSPOSE_A: i32, TRANSPOSE_B: i32, BIAS: i32, RESIDUAL: i32, ACCUMULATE: i32,
  firstRow: i32, lastRow: i32, firstColumn: i32, lastColumn: i32,
): void {
  const columns = lastColumn - firstColumn, offset = bias + (firstColumn << 2);
  for (let m = firstRow; m < lastRow; m++) {
    const at: usize = (m * N + firstColumn) << 2;
    if (RESIDUAL) {
      if (ACCUMULATE) add_row(residual + at, columns, y + at);
      else memory.copy(y + at, residual + at, columns << 2);
    }
    if (BIAS) {
      if (RESIDUAL | ACCUMULATE) add_row(offset, columns, y + at);
      else memory.copy(y + at, offset, columns << 2);
    }
  }
}

/**
 * One to three rows, as in generation: packing b would cost more than the product, so each value is a dot product.
 * `bias` and `residual` are added where they are not 0.
 */
function few_rows(
  a: usize, b: usize, bias: usize, residual: usize, y: usize,
  M: i32, N: i32, K: i32, keep: bool,
  first: i32, last: i32,
): void {
  const zero = f32x4.splat(0), whole = K & ~7;
  for (let n = first; n < last; n++) {
    const column = b + ((n * K) << 2);
    for (let m = 0; m < M; m++) {
      const row = a + ((m * K) << 2), at: usize = (m * N + n) << 2;
      let even = zero, odd = zero;
      for (let k = 0; k < whole; k += 8) {
        even = madd(v128.load(row + (k << 2)), v128.load(column + (k << 2)), even);
        odd = madd(v128.load(row + (k << 2), 16), v128.load(column + (k << 2), 16), odd);
      }
      for (let k = whole; k < K; k += 4) {
        const products = f32x4.mul(v128.load(row + (k << 2)), v128.load(column + (k << 2)));
        even = f32x4.add(even, keep_lanes(products, K - k, zero));
      }
      let sum = lanes_sum(f32x4.add(even, odd));
      if (bias) sum += f32.load(bias + (n << 2));
      if (residual) sum += f32.load(residual + at);
      f32.store(y + at, keep ? f32.load(y + at) + sum : sum);
    }
  }
}

/** y += `row`. */
function add_row(row: usize, columns: i32, y: usize): void {
  for (let j = 0; j < columns; j += 4, row += 16, y += 16) {
    store_lanes(y, f32x4.add(v128.load(y), v128.load(row)), columns - j);
  }
}

/** A tile that hangs over the edge of y, by way of `room`: 4 × 8 of y, then 8 of the bias. */
function edge_tile(
  a: usize, panel: usize, depth: i32, bias: usize, y: usize, yRow: usize, keep: bool,
  rows: i32, columns: i32, room: usize,
): void {
  const padded = bias ? room + 128 : 0;
  if (bias) memory.copy(padded, bias, columns << 2);
  packed_tile(a, panel, depth, padded, room, 32, false);
  for (let r = 0; r < rows; r++) {
    const row = y + r * yRow;
    for (let j = 0; j < columns; j += 4) {
      const v = v128.load(room + (r << 5) + (j << 2));
      store_lanes(row + (j << 2), keep ? f32x4.add(v128.load(row + (j << 2)), v) : v, columns - j);
    }
  }
}
