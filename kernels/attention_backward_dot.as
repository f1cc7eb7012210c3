// dot = Σ dy · y over each head of each row. An item is a row.
import { keep_lanes, lanes_sum, madd } from "./simd";

export function attention_backward_dot(
  dy: usize, y: usize, dot: usize,
  T: i32, H: i32, D: i32,
  scratch: usize, start: i32, stop: i32,
): void {
  const zero = f32x4.splat(0), whole = D & ~3;
  for (let item = start; item < stop; item++) {
    const b = item / T, t = item - b * T;
    for (let h = 0; h < H; h++) {
      const offset = ((item * H + h) * D) << 2;
      let sum = zero;
      for (let d = 0; d < whole; d += 4) sum = madd(v128.load(dy + offset + (d << 2)), v128.load(y + offset + (d << 2)), sum);
      if (whole < D) {
        const at = offset + (whole << 2);
        sum = f32x4.add(sum, keep_lanes(f32x4.mul(v128.load(dy + at), v128.load(y + at)), D - whole, zero));
      }
      f32.store(dot + (((b * H + h) * T + t) << 2), lanes_sum(sum));
    }
  }
}
