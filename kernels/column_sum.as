// An item is a block of 16 columns, summed over all rows in their order.
import { store_lanes } from "./simd";

export function column_sum(
  dy: usize, sum: usize,
  N: i32, C: i32, ACCUMULATE: i32,
  scratch: usize, start: i32, stop: i32,
): void {
  const row: usize = C << 2;
  for (let c = start * 4; c < min(stop * 4, (C + 3) >> 2); c++) {
    let sums = ACCUMULATE ? v128.load(sum + (c << 4)) : f32x4.splat(0);
    let from = dy + (c << 4);
    for (let n = 0; n < N; n++, from += row) sums = f32x4.add(sums, v128.load(from));
    store_lanes(sum + (c << 4), sums, C - (c << 2));
  }
}
