// An item is a block of 16 columns, summed over all rows in their order.
import { madd, store_lanes } from "./simd";

export function layer_norm_weights_backward(
  dy: usize, x: usize, mean: usize, inverse: usize, dw: usize, db: usize,
  N: i32, C: i32, ACCUMULATE: i32,
  scratch: usize, start: i32, stop: i32,
): void {
  const zero = f32x4.splat(0), row: usize = C << 2;
  for (let c = start * 4; c < min(stop * 4, (C + 3) >> 2); c++) {
    let weights = ACCUMULATE ? v128.load(dw + (c << 4)) : zero, biases = ACCUMULATE ? v128.load(db + (c << 4)) : zero;
    let from = dy + (c << 4), value = x + (c << 4);
    for (let n = 0; n < N; n++, from += row, value += row) {
      const g = v128.load(from);
      const centre = v128.load32_splat(mean + (n << 2)), scale = v128.load32_splat(inverse + (n << 2));
      weights = madd(g, f32x4.mul(f32x4.sub(v128.load(value), centre), scale), weights);
      biases = f32x4.add(biases, g);
    }
    store_lanes(dw + (c << 4), weights, C - (c << 2));
    store_lanes(db + (c << 4), biases, C - (c << 2));
  }
}
