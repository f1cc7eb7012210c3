// An item is a row: mean, then variance around it, then the scaled row.
import { keep_lanes, lanes_sum, madd, store_lanes } from "./simd";

export function layer_norm(
  x: usize, w: usize, b: usize, y: usize, mean: usize, inverse: usize,
  C: i32, EPSILON: f32,
  scratch: usize, start: i32, stop: i32,
): void {
  const zero = f32x4.splat(0);
  for (let n = start; n < stop; n++) {
    const row = x + ((n * C) << 2), out = y + ((n * C) << 2);
    let sums = zero, squares = zero;
    for (let c = 0; c < C; c += 4) {
      const v = v128.load(row + (c << 2));
      sums = f32x4.add(sums, c + 4 > C ? keep_lanes(v, C - c, zero) : v);
    }
    const centre = lanes_sum(sums) / <f32> C, shift = f32x4.splat(centre);
    for (let c = 0; c < C; c += 4) {
      let v = f32x4.sub(v128.load(row + (c << 2)), shift);
      if (c + 4 > C) v = keep_lanes(v, C - c, zero);
      squares = madd(v, v, squares);
    }
    const scale = <f32> 1 / Mathf.sqrt(lanes_sum(squares) / <f32> C + EPSILON), factor = f32x4.splat(scale);
    for (let c = 0; c < C; c += 4) {
      const at = c << 2, v = f32x4.mul(f32x4.sub(v128.load(row + at), shift), factor);
      store_lanes(out + at, madd(v, v128.load(w + at), v128.load(b + at)), C - c);
    }
    f32.store(mean + (n << 2), centre);
    f32.store(inverse + (n << 2), scale);
  }
}
