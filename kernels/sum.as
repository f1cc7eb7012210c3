// One item: a sum has one order. In f64, so that a long one loses no digits.
import { keep_lanes, widen_high, widen_low } from "./simd";

export function sum(
  x: usize, total: usize, COUNT: i32, ACCUMULATE: i32, scratch: usize, start: i32, stop: i32,
): void {
  let low = f64x2.splat(0), high = low;
  for (let i = 0; i < COUNT; i += 4) {
    let v = v128.load(x + (i << 2));
    if (i + 4 > COUNT) v = keep_lanes(v, COUNT - i, f32x4.splat(0));
    low = f64x2.add(low, widen_low(v));
    high = f64x2.add(high, widen_high(v));
  }
  const sums = f64x2.add(low, high);
  const before = ACCUMULATE ? <f64> f32.load(total) : 0;
  f32.store(total, <f32> (before + f64x2.extract_lane(sums, 0) + f64x2.extract_lane(sums, 1)));
}
