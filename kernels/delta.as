// An item is a block of 64 values.
import { store_lanes } from "./simd";

export function delta(
  anchor: usize, p: usize, residual: usize, out: usize,
  COUNT: i32, DECAY: f32,
  scratch: usize, start: i32, stop: i32,
): void {
  const decay = f32x4.splat(DECAY);
  for (let i = start << 6; i < min(COUNT, stop << 6); i += 4) {
    const at = i << 2, moved = f32x4.sub(v128.load(anchor + at), v128.load(p + at));
    store_lanes(out + at, f32x4.add(moved, f32x4.mul(decay, v128.load(residual + at))), COUNT - i);
  }
}
