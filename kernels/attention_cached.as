// An item is one head of one row: scores of all cached keys it may see, their softmax, and the sum of the values.
import { exp4, keep_lanes, lanes_max, lanes_sum, madd, store_lanes } from "./simd";

export function attention_cached(
  qkv: usize, positions: usize, keys: usize, values: usize, y: usize,
  H: i32, G: i32, D: i32, P: i32,
  scratch: usize, start: i32, stop: i32,
): void {
  const row: usize = (G * D) << 2, zero = f32x4.splat(0), lowest = f32x4.splat(-Infinity), whole = D & ~3;
  const scale = <f32> (1 / Math.sqrt(<f64> D));
  for (let item = start; item < stop; item++) {
    const n = item / H, h = item - n * H, head = ((h / (H / G)) * D) << 2;
    const query = qkv + ((n * (H + 2 * G) * D + h * D) << 2);
    const position = load<u32>(positions + (n << 2)), seen = position < <u32> P ? <i32> position + 1 : P;
    for (let s = 0, key = keys + head; s < seen; s++, key += row) {
      let sums = zero;
      for (let d = 0; d < whole; d += 4) sums = madd(v128.load(query + (d << 2)), v128.load(key + (d << 2)), sums);
      if (whole < D) {
        const rest = f32x4.mul(v128.load(query + (whole << 2)), v128.load(key + (whole << 2)));
        sums = f32x4.add(sums, keep_lanes(rest, D - whole, zero));
      }
      f32.store(scratch + (s << 2), lanes_sum(sums) * scale);
    }
    let most = lowest;
    for (let s = 0; s < seen; s += 4) most = f32x4.pmax(most, keep_lanes(v128.load(scratch + (s << 2)), seen - s, lowest));
    const shift = f32x4.splat(lanes_max(most));
    let sums = zero;
    for (let s = 0; s < seen; s += 4) {
      const weight = keep_lanes(exp4(f32x4.sub(v128.load(scratch + (s << 2)), shift)), seen - s, zero);
      v128.store(scratch + (s << 2), weight);
      sums = f32x4.add(sums, weight);
    }
    const factor = f32x4.splat(1 / lanes_sum(sums));
    for (let d = 0; d < D; d += 4) {
      let sum = zero;
      for (let s = 0, value = values + head + (d << 2); s < seen; s++, value += row) {
        sum = madd(v128.load32_splat(scratch + (s << 2)), v128.load(value), sum);
      }
      store_lanes(y + ((item * D + d) << 2), f32x4.mul(sum, factor), D - d);
    }
  }
}
