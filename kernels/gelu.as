// An item is a block of 64 values. x/2 · (1 + tanh u) is x · σ(2u), which loses no digits where tanh u is near −1.
import { constant, GELU_CUBIC, GELU_ROOT, madd, ONE, sigmoid4, store_lanes } from "./simd";

export function gelu(x: usize, y: usize, COUNT: i32, scratch: usize, start: i32, stop: i32): void {
  for (let i = start << 6; i < min(COUNT, stop << 6); i += 4) {
    const v = v128.load(x + (i << 2));
    const inner = f32x4.mul(f32x4.mul(v, constant(GELU_ROOT)), madd(f32x4.mul(v, v), constant(GELU_CUBIC), constant(ONE)));
    store_lanes(y + (i << 2), f32x4.mul(v, sigmoid4(inner)), COUNT - i);
  }
}
