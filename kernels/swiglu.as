// An item is a row.
import { sigmoid4, store_lanes } from "./simd";

export function swiglu(x: usize, y: usize, F: i32, scratch: usize, start: i32, stop: i32): void {
  for (let n = start; n < stop; n++) {
    const gates = x + ((n * 2 * F) << 2), ups = gates + (F << 2), out = y + ((n * F) << 2), whole = F & ~7;
    for (let f = 0; f < whole; f += 8) { // two at once: each waits for itself most of the time
      const at = f << 2, a = silu4(v128.load(gates + at)), b = silu4(v128.load(gates + at, 16));
      v128.store(out + at, f32x4.mul(a, v128.load(ups + at)));
      v128.store(out + at, f32x4.mul(b, v128.load(ups + at, 16)), 16);
    }
    for (let f = whole; f < F; f += 4) {
      const at = f << 2;
      store_lanes(out + at, f32x4.mul(silu4(v128.load(gates + at)), v128.load(ups + at)), F - f);
    }
  }
}

// @ts-ignore: decorator
@inline
function silu4(gate: v128): v128 {
  return f32x4.mul(gate, sigmoid4(gate));
}
