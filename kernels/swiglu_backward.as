// An item is a row.
import { constant, madd, ONE, sigmoid4, store_lanes } from "./simd";

export function swiglu_backward(
  dy: usize, x: usize, dx: usize, F: i32, ACCUMULATE: i32, scratch: usize, start: i32, stop: i32,
): void {
  for (let n = start; n < stop; n++) {
    const offset = (n * 2 * F) << 2, gates = x + offset, ups = gates + (F << 2);
    const gateSlopes = dx + offset, upSlopes = gateSlopes + (F << 2), slopes = dy + ((n * F) << 2);
    for (let f = 0; f < F; f += 4) {
      const at = f << 2, gate = v128.load(gates + at), slope = v128.load(slopes + at), s = sigmoid4(gate);
      const bend = f32x4.mul(s, madd(gate, f32x4.sub(constant(ONE), s), constant(ONE)));
      const dgate = f32x4.mul(f32x4.mul(slope, v128.load(ups + at)), bend);
      const dup = f32x4.mul(slope, f32x4.mul(gate, s));
      store_lanes(gateSlopes + at, ACCUMULATE ? f32x4.add(v128.load(gateSlopes + at), dgate) : dgate, F - f);
      store_lanes(upSlopes + at, ACCUMULATE ? f32x4.add(v128.load(upSlopes + at), dup) : dup, F - f);
    }
  }
}
