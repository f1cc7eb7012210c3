// An item is a row.
import { sigmoid4, store_lanes } from "./simd";

export function swiglu(x: usize, y: usize, F: i32, scratch: usize, start: i32, stop: i32): void {
  for (let n = start; n < stop; n++) {
    const gates = x + ((n * 2 * F) << 2), ups = gates + (F << 2), out = y + ((n * F) << 2);
    for (let f = 0; f < F; f += 4) {
      const at = f << 2, gate = v128.load(gates + at);
      store_lanes(out + at, f32x4.mul(f32x4.mul(gate, sigmoid4(gate)), v128.load(ups + at)), F - f);
    }
  }
}
