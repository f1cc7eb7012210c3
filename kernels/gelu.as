// An item is a block of 64 values. x/2 · (1 + tanh u) is x · σ(2u), which loses no digits where tanh u is near −1.
import { madd, sigmoid4, store_lanes } from "./simd";

export function gelu(x: usize, y: usize, COUNT: i32, scratch: usize, start: i32, stop: i32): void {
  const one = f32x4.splat(1), cubic = f32x4.splat(0.044715), root = f32x4.splat(1.5957691216057308);
  for (let i = start << 6; i < min(COUNT, stop << 6); i += 4) {
    const v = v128.load(x + (i << 2));
    const inner = f32x4.mul(f32x4.mul(v, root), madd(f32x4.mul(v, v), cubic, one));
    store_lanes(y + (i << 2), f32x4.mul(v, sigmoid4(inner)), COUNT - i);
  }
}
