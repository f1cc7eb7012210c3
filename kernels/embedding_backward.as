// An item is a place of `order`: where a segment of one id begins, its tokens are added to their row of the table. What
// is overwritten loses the rows before it, too, and at the last segment those after it.
import { store_lanes } from "./simd";

export function embedding_backward(
  ids: usize, order: usize, stops: usize, dy: usize, dtable: usize,
  N: i32, P: i32, C: i32, ACCUMULATE: i32,
  scratch: usize, start: i32, stop: i32,
): void {
  const row = C << 2;
  for (let place = start; place < stop; place++) {
    const end = <i32> load<u32>(stops + (place << 2));
    if (end <= place) continue;
    const id = <i32> id_at(ids, order, place);
    if (id >= P) continue;
    const to = dtable + id * row;
    if (!ACCUMULATE) {
      const first = place > 0 ? <i32> id_at(ids, order, place - 1) + 1 : 0;
      memory.fill(dtable + first * row, 0, (id + 1 - first) * row);
      if (end === N) memory.fill(to + row, 0, (P - id - 1) * row);
    }
    for (let k = place; k < end; k++) {
      const from = dy + load<u32>(order + (k << 2)) * row;
      for (let c = 0; c < C; c += 4) {
        const at = c << 2;
        store_lanes(to + at, f32x4.add(v128.load(to + at), v128.load(from + at)), C - c);
      }
    }
  }
}

// @ts-ignore: decorator
@inline
function id_at(ids: usize, order: usize, place: i32): u32 {
  return load<u32>(ids + (load<u32>(order + (place << 2)) << 2));
}
