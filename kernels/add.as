// An item is a block of 64 values.
import { store_lanes } from "./simd";

export function add(a: usize, b: usize, y: usize, COUNT: i32, scratch: usize, start: i32, stop: i32): void {
  for (let i = start << 6; i < min(COUNT, stop << 6); i += 4) {
    const at = i << 2;
    store_lanes(y + at, f32x4.add(v128.load(a + at), v128.load(b + at)), COUNT - i);
  }
}
