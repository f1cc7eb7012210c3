// An item is a row.
import { squares_around, store_lanes } from "./simd";

export function rms_norm(
  x: usize, w: usize, y: usize, inverse: usize,
  C: i32, EPSILON: f32,
  scratch: usize, start: i32, stop: i32,
): void {
  const zero = f32x4.splat(0);
  for (let n = start; n < stop; n++) {
    const row = x + ((n * C) << 2), out = y + ((n * C) << 2);
    const scale = <f32> 1 / Mathf.sqrt(squares_around(row, C, zero) / <f32> C + EPSILON), factor = f32x4.splat(scale);
    for (let c = 0; c < C; c += 4) {
      const at = c << 2;
      store_lanes(out + at, f32x4.mul(f32x4.mul(v128.load(row + at), factor), v128.load(w + at)), C - c);
    }
    f32.store(inverse + (n << 2), scale);
  }
}
