// An item is a part. Products and their sums are f64.
import { keep_lanes, widen_high, widen_low } from "./simd";

export function pair_norms(
  sum: usize, part: usize, partial: usize, COUNT: i32, BLOCKS: i32, scratch: usize, start: i32, stop: i32,
): void {
  const size = (COUNT - 1) / BLOCKS + 1, zero = f32x4.splat(0);
  for (let block = start; block < stop; block++) {
    const last = min(COUNT, (block + 1) * size);
    let first = f64x2.splat(0), second = first, inner = first;
    for (let i = block * size; i < last; i += 4) {
      let a = v128.load(part + (i << 2)), b = f32x4.sub(v128.load(sum + (i << 2)), a);
      if (i + 4 > last) {
        a = keep_lanes(a, last - i, zero);
        b = keep_lanes(b, last - i, zero);
      }
      const aLow = widen_low(a), aHigh = widen_high(a), bLow = widen_low(b), bHigh = widen_high(b);
      first = f64x2.add(first, f64x2.add(f64x2.mul(aLow, aLow), f64x2.mul(aHigh, aHigh)));
      second = f64x2.add(second, f64x2.add(f64x2.mul(bLow, bLow), f64x2.mul(bHigh, bHigh)));
      inner = f64x2.add(inner, f64x2.add(f64x2.mul(aLow, bLow), f64x2.mul(aHigh, bHigh)));
    }
    const at = partial + block * 12;
    f32.store(at, <f32> (f64x2.extract_lane(first, 0) + f64x2.extract_lane(first, 1)));
    f32.store(at, <f32> (f64x2.extract_lane(second, 0) + f64x2.extract_lane(second, 1)), 4);
    f32.store(at, <f32> (f64x2.extract_lane(inner, 0) + f64x2.extract_lane(inner, 1)), 8);
  }
}
