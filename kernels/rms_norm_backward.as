// An item is a row: with g = dy · w and x̂ = x · inverse, dx = inverse · (g − x̂ · mean(g · x̂)).
import { keep_lanes, lanes_sum, madd, store_lanes } from "./simd";

export function rms_norm_backward(
  dy: usize, x: usize, w: usize, inverse: usize, dx: usize,
  C: i32, ACCUMULATE: i32,
  scratch: usize, start: i32, stop: i32,
): void {
  const zero = f32x4.splat(0);
  for (let n = start; n < stop; n++) {
    const offset = (n * C) << 2, scale = v128.load32_splat(inverse + (n << 2));
    let dots = zero;
    for (let c = 0; c < C; c += 4) {
      const at = c << 2;
      let g = f32x4.mul(v128.load(dy + offset + at), v128.load(w + at));
      let v = f32x4.mul(v128.load(x + offset + at), scale);
      if (c + 4 > C) g = keep_lanes(g, C - c, zero), v = keep_lanes(v, C - c, zero);
      dots = madd(g, v, dots);
    }
    const dot = f32x4.splat(lanes_sum(dots) / <f32> C);
    for (let c = 0; c < C; c += 4) {
      const at = c << 2, to = dx + offset + at;
      const g = f32x4.mul(v128.load(dy + offset + at), v128.load(w + at));
      const v = f32x4.mul(v128.load(x + offset + at), scale);
      const gradient = f32x4.mul(scale, f32x4.sub(g, f32x4.mul(v, dot)));
      store_lanes(to, ACCUMULATE ? f32x4.add(gradient, v128.load(to)) : gradient, C - c);
    }
  }
}
