// An item is a set of rows. Values are taken in their order, and added to the bucket where they belong.

export function sketch(
  x: usize, seed: usize, partial: usize, COUNT: i32, BLOCKS: i32, scratch: usize, start: i32, stop: i32,
): void {
  const rowCount = (COUNT - 1) / 256 + 1, rowsEach = (rowCount - 1) / BLOCKS + 1;
  const signKey = mix(load<u32>(seed)), rowKey = mix(~load<u32>(seed));
  for (let block = start; block < stop; block++) {
    const buckets = partial + (block << 10);
    memory.fill(buckets, 0, 1024);
    for (let row = block * rowsEach; row < min(rowCount, (block + 1) * rowsEach); row++) {
      const moved = mix(row ^ rowKey);
      for (let i = row << 8; i < min(COUNT, (row + 1) << 8); i++) {
        const value = reinterpret<f32>(load<u32>(x + (i << 2)) ^ (mix(i ^ signKey) & 0x80000000));
        const bucket = buckets + (((i ^ moved) & 255) << 2);
        f32.store(bucket, f32.load(bucket) + value);
      }
    }
  }
}

// @ts-ignore: decorator
@inline
function mix(word: u32): u32 {
  let bits = word;
  bits = (bits ^ (bits >> 16)) * 0x85ebca6b;
  bits = (bits ^ (bits >> 13)) * 0xc2b2ae35;
  return bits ^ (bits >> 16);
}
