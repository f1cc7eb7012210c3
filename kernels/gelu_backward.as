// An item is a block of 64 values. With σ = σ(2u) the slope is σ + x · σ · (1 − σ) · 2u'.
import { madd, sigmoid4, store_lanes } from "./simd";

export function gelu_backward(
  dy: usize, x: usize, dx: usize, COUNT: i32, ACCUMULATE: i32, scratch: usize, start: i32, stop: i32,
): void {
  const one = f32x4.splat(1), root = f32x4.splat(1.5957691216057308);
  const cubic = f32x4.splat(0.044715), cubicSlope = f32x4.splat(0.134145);
  for (let i = start << 6; i < min(COUNT, stop << 6); i += 4) {
    const at = i << 2, v = v128.load(x + at), square = f32x4.mul(v, v);
    const s = sigmoid4(f32x4.mul(f32x4.mul(v, root), madd(square, cubic, one)));
    const innerSlope = f32x4.mul(root, madd(square, cubicSlope, one));
    const bend = f32x4.mul(f32x4.mul(v, f32x4.mul(s, f32x4.sub(one, s))), innerSlope);
    const gradient = f32x4.mul(v128.load(dy + at), f32x4.add(s, bend));
    store_lanes(dx + at, ACCUMULATE ? f32x4.add(v128.load(dx + at), gradient) : gradient, COUNT - i);
  }
}
