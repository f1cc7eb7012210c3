// An item is a row. Sums of exponentials are made in f32 over 1024 columns and in f64 from there on, so that a large
// vocabulary does not cost digits.
import { exp4, keep_lanes, lanes_max, lanes_sum, ln, store_lanes } from "./simd";

const IGNORED = <u32> 0xffff_ffff, COLUMNS = 1024;

export function cross_entropy(
  logits: usize, targets: usize, scale: usize, losses: usize,
  V: i32, GRADIENT: i32,
  scratch: usize, start: i32, stop: i32,
): void {
  const zero = f32x4.splat(0), lowest = f32x4.splat(-Infinity);
  for (let n = start; n < stop; n++) {
    const row = logits + ((n * V) << 2), target = load<u32>(targets + (n << 2));
    if (target >= <u32> V) {
      f32.store(losses + (n << 2), target === IGNORED ? 0 : NaN);
      if (GRADIENT && target === IGNORED) memory.fill(row, 0, V << 2);
      continue;
    }
    let most = lowest, other = lowest;
    const whole = V & ~7;
    for (let v = 0; v < whole; v += 8) {
      const at = row + (v << 2);
      most = f32x4.pmax(most, v128.load(at));
      other = f32x4.pmax(other, v128.load(at, 16));
    }
    most = f32x4.pmax(most, other);
    for (let v = whole; v < V; v += 4) {
      most = f32x4.pmax(most, keep_lanes(v128.load(row + (v << 2)), V - v, lowest));
    }
    const largest = lanes_max(most), shift = f32x4.splat(largest), wanted = f32.load(row + (target << 2));
    let sum: f64 = 0;
    for (let block = 0; block < V; block += COLUMNS) {
      const end = min(V, block + COLUMNS);
      let sums = zero, v = block;
      for (const even = end & ~7; v < even; v += 8) { // two at once: each waits for itself most of the time
        const at = row + (v << 2);
        const e0 = exp4(f32x4.sub(v128.load(at), shift)), e1 = exp4(f32x4.sub(v128.load(at, 16), shift));
        if (GRADIENT) {
          v128.store(at, e0);
          v128.store(at, e1, 16);
        }
        sums = f32x4.add(sums, f32x4.add(e0, e1));
      }
      for (; v < end; v += 4) {
        const at = row + (v << 2);
        let e = exp4(f32x4.sub(v128.load(at), shift));
        if (v + 4 > V) e = keep_lanes(e, V - v, zero);
        if (GRADIENT) store_lanes(at, e, V - v);
        sums = f32x4.add(sums, e);
      }
      sum += <f64> lanes_sum(sums);
    }
    f32.store(losses + (n << 2), <f32> (<f64> largest - <f64> wanted + ln64(sum)));
    if (!GRADIENT) continue;
    const factor = f32.load(scale), part = f32x4.splat(<f32> (<f64> factor / sum));
    for (let v = 0; v < V; v += 4) {
      const at = row + (v << 2);
      store_lanes(at, f32x4.mul(v128.load(at), part), V - v);
    }
    const at = row + (target << 2);
    f32.store(at, f32.load(at) - factor);
  }
}

/** ln of a number that f32 may not hold exactly: ln of the rounded one, and the first-order rest. */
// @ts-ignore: decorator
@inline
function ln64(x: f64): f64 {
  const near = <f32> x;
  return ln(near) + (x - <f64> near) / x;
}
