// An item is a block of 64 values. With σ = σ(2u) the slope is σ + x · σ · (1 − σ) · 2u'.
import { constant, GELU_CUBIC, GELU_CUBIC_SLOPE, GELU_ROOT, madd, ONE, sigmoid4, store_lanes } from "./simd";

export function gelu_backward(
  dy: usize, x: usize, dx: usize, COUNT: i32, ACCUMULATE: i32, scratch: usize, start: i32, stop: i32,
): void {
  const last = min(COUNT, stop << 6), whole = ACCUMULATE ? 0 : last & ~7;
  let i = start << 6;
  for (; i < whole; i += 8) { // two at once: each waits for itself most of the time
    const at = i << 2, a = slope4(v128.load(x + at)), b = slope4(v128.load(x + at, 16));
    v128.store(dx + at, f32x4.mul(v128.load(dy + at), a));
    v128.store(dx + at, f32x4.mul(v128.load(dy + at, 16), b), 16);
  }
  for (; i < last; i += 4) {
    const at = i << 2, gradient = f32x4.mul(v128.load(dy + at), slope4(v128.load(x + at)));
    store_lanes(dx + at, ACCUMULATE ? f32x4.add(v128.load(dx + at), gradient) : gradient, last - i);
  }
}

// @ts-ignore: decorator
@inline
function slope4(x: v128): v128 {
  const square = f32x4.mul(x, x);
  const s = sigmoid4(f32x4.mul(f32x4.mul(x, constant(GELU_ROOT)), madd(square, constant(GELU_CUBIC), constant(ONE))));
  const innerSlope = f32x4.mul(constant(GELU_ROOT), madd(square, constant(GELU_CUBIC_SLOPE), constant(ONE)));
  const bend = f32x4.mul(f32x4.mul(x, f32x4.mul(s, f32x4.sub(constant(ONE), s))), innerSlope);
  return f32x4.add(s, bend);
}
