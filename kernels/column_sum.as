// An item is a block of 16 columns, a cache line of each row, summed over all rows in their order.
import { store_lanes } from "./simd";

export function column_sum(
  dy: usize, sum: usize,
  N: i32, C: i32, ACCUMULATE: i32,
  scratch: usize, start: i32, stop: i32,
): void {
  const row: usize = C << 2;
  for (let c = start << 4; c < min(C, stop << 4); c += 16) {
    const to = sum + (c << 2), count = C - c;
    let s0 = f32x4.splat(0), s1 = s0, s2 = s0, s3 = s0;
    if (ACCUMULATE) s0 = v128.load(to), s1 = v128.load(to, 16), s2 = v128.load(to, 32), s3 = v128.load(to, 48);
    for (let n = 0, from = dy + (c << 2); n < N; n++, from += row) {
      s0 = f32x4.add(s0, v128.load(from));
      s1 = f32x4.add(s1, v128.load(from, 16));
      s2 = f32x4.add(s2, v128.load(from, 32));
      s3 = f32x4.add(s3, v128.load(from, 48));
    }
    store_lanes(to, s0, count);
    store_lanes(to + 16, s1, count - 4);
    store_lanes(to + 32, s2, count - 8);
    store_lanes(to + 48, s3, count - 12);
  }
}
