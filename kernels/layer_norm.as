// An item is a row: mean, then variance around it, then the scaled row.
import { keep_lanes, lanes_sum, madd, squares_around, store_lanes } from "./simd";

export function layer_norm(
  x: usize, w: usize, b: usize, y: usize, mean: usize, inverse: usize,
  C: i32, EPSILON: f32,
  scratch: usize, start: i32, stop: i32,
): void {
  for (let n = start; n < stop; n++) {
    const row = x + ((n * C) << 2), out = y + ((n * C) << 2);
    const centre = values_sum(row, C) / <f32> C, shift = f32x4.splat(centre);
    const scale = <f32> 1 / Mathf.sqrt(squares_around(row, C, shift) / <f32> C + EPSILON), factor = f32x4.splat(scale);
    for (let c = 0; c < C; c += 4) {
      const at = c << 2, v = f32x4.mul(f32x4.sub(v128.load(row + at), shift), factor);
      store_lanes(out + at, madd(v, v128.load(w + at), v128.load(b + at)), C - c);
    }
    f32.store(mean + (n << 2), centre);
    f32.store(inverse + (n << 2), scale);
  }
}

/** Sum of `count` values, eight at once. */
function values_sum(from: usize, count: i32): f32 {
  const zero = f32x4.splat(0), whole = count & ~7;
  let even = zero, odd = zero;
  for (const end = from + (whole << 2); from < end; from += 32) {
    even = f32x4.add(even, v128.load(from));
    odd = f32x4.add(odd, v128.load(from, 16));
  }
  for (let left = count - whole; left > 0; left -= 4, from += 16) {
    even = f32x4.add(even, keep_lanes(v128.load(from), left, zero));
  }
  return lanes_sum(f32x4.add(even, odd));
}
