// An item is a block of 64 values. With σ = σ(2u) the slope is σ + x · σ · (1 − σ) · 2u'.
import { constant, GELU_CUBIC, GELU_CUBIC_SLOPE, GELU_ROOT, madd, ONE, sigmoid4, store_lanes } from "./simd";

export function gelu_backward(
  dy: usize, x: usize, dx: usize, COUNT: i32, ACCUMULATE: i32, scratch: usize, start: i32, stop: i32,
): void {
  for (let i = start << 6; i < min(COUNT, stop << 6); i += 4) {
    const at = i << 2, v = v128.load(x + at), square = f32x4.mul(v, v);
    const s = sigmoid4(f32x4.mul(f32x4.mul(v, constant(GELU_ROOT)), madd(square, constant(GELU_CUBIC), constant(ONE))));
    const innerSlope = f32x4.mul(constant(GELU_ROOT), madd(square, constant(GELU_CUBIC_SLOPE), constant(ONE)));
    const bend = f32x4.mul(f32x4.mul(v, f32x4.mul(s, f32x4.sub(constant(ONE), s))), innerSlope);
    const gradient = f32x4.mul(v128.load(dy + at), f32x4.add(s, bend));
    store_lanes(dx + at, ACCUMULATE ? f32x4.add(v128.load(dx + at), gradient) : gradient, COUNT - i);
  }
}
