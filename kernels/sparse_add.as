// An item is a chunk of 4,096 values.

export function sparse_add(
  places: usize, values: usize, y: usize,
  COUNT: i32, KEPT: i32,
  scratch: usize, start: i32, stop: i32,
): void {
  for (let slot = start * KEPT; slot < stop * KEPT; slot++) {
    const at = <u32> ((slot / KEPT) << 12) + load<u32>(places + (slot << 2));
    if (at >= <u32> COUNT) continue;
    const to = y + (<usize> at << 2);
    store<f32>(to, load<f32>(to) + load<f32>(values + (slot << 2)));
  }
}
