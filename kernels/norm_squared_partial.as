// An item is a part. Squares and their sums are f64; counts are kept as vectors of −1 for each non-finite value.
import { keep_lanes, widen_high, widen_low } from "./simd";

export function norm_squared_partial(
  x: usize, partial: usize, COUNT: i32, BLOCKS: i32, scratch: usize, start: i32, stop: i32,
): void {
  const size = (COUNT - 1) / BLOCKS + 1, zero = f32x4.splat(0), exponent = i32x4.splat(0x7f800000);
  for (let block = start; block < stop; block++) {
    const last = min(COUNT, (block + 1) * size);
    let low = f64x2.splat(0), high = low, counts = i32x4.splat(0);
    for (let i = block * size; i < last; i += 4) {
      let v = v128.load(x + (i << 2));
      if (i + 4 > last) v = keep_lanes(v, last - i, zero);
      const nonFinite = i32x4.eq(v128.and(v, exponent), exponent);
      counts = i32x4.add(counts, nonFinite);
      v = v128.andnot(v, nonFinite);
      const a = widen_low(v), b = widen_high(v);
      low = f64x2.add(low, f64x2.mul(a, a));
      high = f64x2.add(high, f64x2.mul(b, b));
    }
    const sums = f64x2.add(low, high);
    f32.store(partial + (block << 2), <f32> (f64x2.extract_lane(sums, 0) + f64x2.extract_lane(sums, 1)));
    const count = i32x4.extract_lane(counts, 0) + i32x4.extract_lane(counts, 1) + i32x4.extract_lane(counts, 2) +
      i32x4.extract_lane(counts, 3);
    f32.store(partial + ((BLOCKS + block) << 2), <f32> -count);
  }
}
