// An item is a block of 64 values.
import { keep_lanes, madd, store_lanes } from "./simd";

export function adamw(
  p: usize, g: usize, m: usize, v: usize, norm: usize, step: usize,
  COUNT: i32, DECAYED: i32,
  scratch: usize, start: i32, stop: i32,
): void {
  const length = f32.load(norm);
  if (!isFinite(length) || f32.load(norm, 4) > 0) return;
  const rate = f32.load(step), clip = f32.load(step, 28), one = f32x4.splat(1);
  const scale = f32x4.splat(f32.load(norm, 8) * (clip > 0 ? min<f32>(1, clip / (length + 1e-6)) : 1));
  const beta1 = v128.load32_splat(step, 4), beta2 = v128.load32_splat(step, 8), epsilon = v128.load32_splat(step, 12);
  const rest1 = f32x4.sub(one, beta1), rest2 = f32x4.sub(one, beta2);
  const decay = f32x4.splat(1 - rate * f32.load(step, 16)), stride = f32x4.splat(rate / f32.load(step, 20));
  const correction2 = v128.load32_splat(step, 24);
  for (let i = start << 6; i < min(COUNT, stop << 6); i += 4) {
    const at = i << 2, gradient = f32x4.mul(v128.load(g + at), scale);
    const first = madd(beta1, v128.load(m + at), f32x4.mul(rest1, gradient));
    const second = madd(beta2, v128.load(v + at), f32x4.mul(rest2, f32x4.mul(gradient, gradient)));
    const decayed = f32x4.mul(v128.load(p + at), keep_lanes(decay, DECAYED - i, one));
    const divisor = f32x4.add(f32x4.sqrt(f32x4.div(second, correction2)), epsilon);
    const moved = f32x4.sub(decayed, f32x4.div(f32x4.mul(stride, first), divisor));
    store_lanes(m + at, first, COUNT - i);
    store_lanes(v + at, second, COUNT - i);
    store_lanes(p + at, moved, COUNT - i);
  }
}
