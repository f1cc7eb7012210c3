// An item is a block of 64 values. x/2 · (1 + tanh u) is x · σ(2u), which loses no digits where tanh u is near −1.
import { constant, GELU_CUBIC, GELU_ROOT, madd, ONE, sigmoid4, store_lanes } from "./simd";

export function gelu(x: usize, y: usize, COUNT: i32, scratch: usize, start: i32, stop: i32): void {
  const last = min(COUNT, stop << 6), whole = last & ~7;
  let i = start << 6;
  for (; i < whole; i += 8) { // two at once: each waits for itself most of the time
    const at = i << 2, a = gelu4(v128.load(x + at)), b = gelu4(v128.load(x + at, 16));
    v128.store(y + at, a);
    v128.store(y + at, b, 16);
  }
  for (; i < last; i += 4) store_lanes(y + (i << 2), gelu4(v128.load(x + (i << 2))), last - i);
}

// @ts-ignore: decorator
@inline
function gelu4(x: v128): v128 {
  const cubic = madd(f32x4.mul(x, x), constant(GELU_CUBIC), constant(ONE));
  return f32x4.mul(x, sigmoid4(f32x4.mul(f32x4.mul(x, constant(GELU_ROOT)), cubic)));
}
