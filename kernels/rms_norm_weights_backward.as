// An item is a block of 16 columns, summed over all rows in their order.
import { madd, store_lanes } from "./simd";

export function rms_norm_weights_backward(
  dy: usize, x: usize, inverse: usize, dw: usize,
  N: i32, C: i32, ACCUMULATE: i32,
  scratch: usize, start: i32, stop: i32,
): void {
  const row: usize = C << 2;
  for (let c = start * 4; c < min(stop * 4, (C + 3) >> 2); c++) {
    let sums = ACCUMULATE ? v128.load(dw + (c << 4)) : f32x4.splat(0);
    let from = dy + (c << 4), value = x + (c << 4);
    for (let n = 0; n < N; n++, from += row, value += row) {
      sums = madd(v128.load(from), f32x4.mul(v128.load(value), v128.load32_splat(inverse + (n << 2))), sums);
    }
    store_lanes(dw + (c << 4), sums, C - (c << 2));
  }
}
