// An item is a block of 16 columns, a cache line of each row, summed over all rows in their order, half of it at a time.
import { madd, store_lanes } from "./simd";

export function layer_norm_weights_backward(
  dy: usize, x: usize, mean: usize, inverse: usize, dw: usize, db: usize,
  N: i32, C: i32, ACCUMULATE: i32,
  scratch: usize, start: i32, stop: i32,
): void {
  const row: usize = C << 2;
  for (let c = start << 4; c < min(C, stop << 4); c += 8) {
    const to = c << 2, weights = dw + to, biases = db + to, count = C - c;
    let w0 = f32x4.splat(0), w1 = w0, b0 = w0, b1 = w0;
    if (ACCUMULATE) {
      w0 = v128.load(weights), w1 = v128.load(weights, 16);
      b0 = v128.load(biases), b1 = v128.load(biases, 16);
    }
    for (let n: usize = 0, from = dy + to, value = x + to; n < <usize> N << 2; n += 4, from += row, value += row) {
      const centre = v128.load32_splat(mean + n), scale = v128.load32_splat(inverse + n);
      const g0 = v128.load(from), g1 = v128.load(from, 16);
      w0 = madd(g0, f32x4.mul(f32x4.sub(v128.load(value), centre), scale), w0);
      w1 = madd(g1, f32x4.mul(f32x4.sub(v128.load(value, 16), centre), scale), w1);
      b0 = f32x4.add(b0, g0);
      b1 = f32x4.add(b1, g1);
    }
    store_lanes(weights, w0, count);
    store_lanes(weights + 16, w1, count - 4);
    store_lanes(biases, b0, count);
    store_lanes(biases + 16, b1, count - 4);
  }
}
