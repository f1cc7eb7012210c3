// An item is a block of BLOCK values. The exponent comes from the bits of the largest: 2ⁿ ≤ |x| < 2ⁿ⁺¹ fits 127 · 2ⁿ⁻⁶
// unless its fraction is above that of 127/64.
import { lanes_max } from "./simd";

export function quantise_int8(
  x: usize, codes: usize, scales: usize, residual: usize,
  BLOCK: i32,
  scratch: usize, start: i32, stop: i32,
): void {
  for (let block = start; block < stop; block++) {
    const first = block * BLOCK, last = first + BLOCK;
    let most = f32x4.splat(0);
    for (let i = first; i < last; i += 4) most = f32x4.max(most, f32x4.abs(v128.load(x + (i << 2))));
    const bits = reinterpret<u32>(lanes_max(most));
    const isZero = bits < 0x0d800000; // 2⁻¹⁰⁰
    const biased = isZero ? 127 : (bits >> 23) - 6 + ((bits & 0x7fffff) > 0x7e0000 ? 1 : 0);
    store<u32>(scales + (block << 2), isZero ? 0 : biased);
    const unit = i32x4.splat(biased << 23), inverse = i32x4.splat((254 - biased) << 23);
    for (let i = first; i < last; i += 4) {
      const v = v128.load(x + (i << 2));
      const code = isZero ? f32x4.splat(0) : f32x4.nearest(f32x4.mul(v, inverse));
      v128.store(residual + (i << 2), f32x4.sub(v, f32x4.mul(code, unit)));
      const words = i32x4.trunc_sat_f32x4_s(code);
      const bytes = v128.shuffle<i8>(words, words, 0, 4, 8, 12, 0, 4, 8, 12, 0, 4, 8, 12, 0, 4, 8, 12);
      i32.store(codes + i, i32x4.extract_lane(bytes, 0));
    }
  }
}
