// An item is a row: pairs (j, j + D/2) of the rotated heads turn, the rest is copied.
import { store_lanes } from "./simd";

export function rope(
  x: usize, positions: usize, table: usize, y: usize,
  ROTATED_HEADS: i32, ROW: i32, D: i32, INVERSE: i32, ACCUMULATE: i32,
  scratch: usize, start: i32, stop: i32,
): void {
  const half = D >> 1, far: usize = half << 2, sign = f32x4.splat(INVERSE ? -1 : 1);
  for (let n = start; n < stop; n++) {
    const offset = (n * ROW) << 2, angles = table + ((load<u32>(positions + (n << 2)) * D) << 2);
    for (let head = 0; head < ROTATED_HEADS; head++) {
      for (let j = 0; j < half; j += 4) {
        const at = offset + ((head * D + j) << 2);
        const cos = v128.load(angles + (j << 2)), sin = f32x4.mul(sign, v128.load(angles + far + (j << 2)));
        const a = v128.load(x + at), b = v128.load(x + at + far);
        const turnedA = f32x4.sub(f32x4.mul(a, cos), f32x4.mul(b, sin));
        const turnedB = f32x4.add(f32x4.mul(b, cos), f32x4.mul(a, sin));
        const farSum = ACCUMULATE ? f32x4.add(v128.load(y + at + far), turnedB) : turnedB;
        store_lanes(y + at, ACCUMULATE ? f32x4.add(v128.load(y + at), turnedA) : turnedA, half - j);
        store_lanes(y + at + far, farSum, half - j);
      }
    }
    for (let i = ROTATED_HEADS * D; i < ROW; i += 4) {
      const at = offset + (i << 2), v = v128.load(x + at);
      store_lanes(y + at, ACCUMULATE ? f32x4.add(v128.load(y + at), v) : v, ROW - i);
    }
  }
}
