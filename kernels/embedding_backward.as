// An item is a block of 16 columns of the whole table: rows meet in the table, columns do not.
import { store_lanes } from "./simd";

export function embedding_backward(
  ids: usize, dy: usize, dtable: usize,
  N: i32, P: i32, C: i32, ACCUMULATE: i32,
  scratch: usize, start: i32, stop: i32,
): void {
  const first = start << 4, last = min(C, stop << 4);
  if (!ACCUMULATE) {
    for (let p = 0; p < P; p++) memory.fill(dtable + ((p * C + first) << 2), 0, (last - first) << 2);
  }
  for (let n = 0; n < N; n++) {
    const id = load<u32>(ids + (n << 2));
    if (id >= <u32> P) continue;
    const from = dy + ((n * C) << 2), to = dtable + ((id * C) << 2);
    for (let c = first; c < last; c += 4) {
      const at = c << 2;
      store_lanes(to + at, f32x4.add(v128.load(to + at), v128.load(from + at)), last - c);
    }
  }
}
