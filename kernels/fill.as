// An item is a block of 64 values.
import { store_lanes } from "./simd";

export function fill(value: usize, y: usize, COUNT: i32, scratch: usize, start: i32, stop: i32): void {
  const values = v128.load32_splat(value);
  for (let i = start << 6; i < min(COUNT, stop << 6); i += 4) store_lanes(y + (i << 2), values, COUNT - i);
}
