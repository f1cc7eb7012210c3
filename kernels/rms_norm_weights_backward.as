// An item is a block of 16 columns, a cache line of each row, summed over all rows in their order, half of it at a time.
import { madd, store_lanes } from "./simd";

export function rms_norm_weights_backward(
  dy: usize, x: usize, inverse: usize, dw: usize,
  N: i32, C: i32, ACCUMULATE: i32,
  scratch: usize, start: i32, stop: i32,
): void {
  const row: usize = C << 2;
  for (let c = start << 4; c < min(C, stop << 4); c += 8) {
    const to = c << 2, weights = dw + to, count = C - c;
    let w0 = f32x4.splat(0), w1 = w0;
    if (ACCUMULATE) w0 = v128.load(weights), w1 = v128.load(weights, 16);
    for (let n: usize = 0, from = dy + to, value = x + to; n < <usize> N << 2; n += 4, from += row, value += row) {
      const scale = v128.load32_splat(inverse + n);
      w0 = madd(v128.load(from), f32x4.mul(v128.load(value), scale), w0);
      w1 = madd(v128.load(from, 16), f32x4.mul(v128.load(value, 16), scale), w1);
    }
    store_lanes(weights, w0, count);
    store_lanes(weights + 16, w1, count - 4);
  }
}
