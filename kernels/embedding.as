// An item is a row.
export function embedding(
  ids: usize, table: usize, y: usize, P: i32, C: i32, scratch: usize, start: i32, stop: i32,
): void {
  for (let n = start; n < stop; n++) {
    const id = load<u32>(ids + (n << 2));
    if (id < <u32> P) memory.copy(y + ((n * C) << 2), table + ((id * C) << 2), C << 2);
  }
}
