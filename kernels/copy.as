// An item is a block of 64 values.
import { store_lanes } from "./simd";

export function copy(x: usize, y: usize, COUNT: i32, ACCUMULATE: i32, scratch: usize, start: i32, stop: i32): void {
  const first = start << 6, last = min(COUNT, stop << 6);
  if (!ACCUMULATE) {
    memory.copy(y + (first << 2), x + (first << 2), (last - first) << 2);
    return;
  }
  for (let i = first; i < last; i += 4) {
    const at = i << 2;
    store_lanes(y + at, f32x4.add(v128.load(y + at), v128.load(x + at)), COUNT - i);
  }
}
