// y = [y +] a · b [+ bias] [+ residual] by 4 × 8 tiles. An item is a block of 64 × 128 of y; blocks of one column of
// blocks follow each other, so that a thread packs a panel of b once for all of its rows. K is cut into slices of 256
// that fit the caches; the slices are added in order, whatever thread runs the item.
import { keep_lanes, lanes_sum, madd, pack_columns, pack_rows, packed_tile, store_lanes } from "./simd";

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
