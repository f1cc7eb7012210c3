// An item is a chunk of 4,096 values. The least size that is kept is found digit by digit, by counting.

export function top_k(
  x: usize, places: usize, values: usize,
  COUNT: i32, KEPT: i32,
  scratch: usize, start: i32, stop: i32,
): void {
  for (let chunk = start; chunk < stop; chunk++) {
    const first = chunk << 12, length = min(COUNT - first, 4096);
    let least: u32 = 0, wanted = <u32> KEPT;
    for (let shift: u32 = 24; ; shift -= 8) {
      memory.fill(scratch, 0, 1024);
      // Zeros beyond COUNT are counted like others.
      if (least >> shift >> 8 == 0) store<u32>(scratch, 4096 - length);
      for (let place = 0; place < length; place++) {
        const bits = size_at(x + ((first + place) << 2));
        if (bits >> shift >> 8 != least >> shift >> 8) continue;
        const count = scratch + (((bits >> shift) & 255) << 2);
        store<u32>(count, load<u32>(count) + 1);
      }
      let digit: u32 = 255;
      while (load<u32>(scratch + (digit << 2)) < wanted) {
        wanted -= load<u32>(scratch + (digit << 2));
        digit--;
      }
      least |= digit << shift;
      if (shift == 0) break;
    }
    let slot = chunk * KEPT;
    const end = slot + KEPT;
    for (let place = 0; slot < end; place++) {
      const at = x + ((first + place) << 2), bits = place < length ? size_at(at) : 0;
      if (bits < least) continue;
      if (bits == least) {
        if (wanted == 0) continue;
        wanted--;
      }
      store<u32>(places + (slot << 2), place);
      store<f32>(values + (slot << 2), place < length ? load<f32>(at) : 0);
      slot++;
    }
  }
}

// @ts-ignore: decorator
@inline
function size_at(at: usize): u32 {
  const bits = load<u32>(at) & 0x7fffffff;
  return bits < 0x0d800000 ? 0 : bits; // 2⁻¹⁰⁰
}
