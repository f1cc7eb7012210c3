// An item is a group of 64 · 12 · 4 values. Twelve vectors and the two factors fill the registers of a 128-bit machine.
import { madd } from "./simd";

export function peak_fma(factors: usize, values: usize, ROUNDS: i32, scratch: usize, start: i32, stop: i32): void {
  const a = v128.load32_splat(factors), b = v128.load32_splat(factors, 4), end = values + stop * 12288;
  for (let at = values + start * 12288; at < end; at += 192) {
    let v0 = v128.load(at), v1 = v128.load(at, 16), v2 = v128.load(at, 32);
    let v3 = v128.load(at, 48), v4 = v128.load(at, 64), v5 = v128.load(at, 80);
    let v6 = v128.load(at, 96), v7 = v128.load(at, 112), v8 = v128.load(at, 128);
    let v9 = v128.load(at, 144), v10 = v128.load(at, 160), v11 = v128.load(at, 176);
    for (let round = 0; round < ROUNDS; round++) {
      v0 = madd(v0, a, b), v1 = madd(v1, a, b), v2 = madd(v2, a, b), v3 = madd(v3, a, b);
      v4 = madd(v4, a, b), v5 = madd(v5, a, b), v6 = madd(v6, a, b), v7 = madd(v7, a, b);
      v8 = madd(v8, a, b), v9 = madd(v9, a, b), v10 = madd(v10, a, b), v11 = madd(v11, a, b);
      v0 = madd(v0, a, b), v1 = madd(v1, a, b), v2 = madd(v2, a, b), v3 = madd(v3, a, b);
      v4 = madd(v4, a, b), v5 = madd(v5, a, b), v6 = madd(v6, a, b), v7 = madd(v7, a, b);
      v8 = madd(v8, a, b), v9 = madd(v9, a, b), v10 = madd(v10, a, b), v11 = madd(v11, a, b);
      v0 = madd(v0, a, b), v1 = madd(v1, a, b), v2 = madd(v2, a, b), v3 = madd(v3, a, b);
      v4 = madd(v4, a, b), v5 = madd(v5, a, b), v6 = madd(v6, a, b), v7 = madd(v7, a, b);
      v8 = madd(v8, a, b), v9 = madd(v9, a, b), v10 = madd(v10, a, b), v11 = madd(v11, a, b);
      v0 = madd(v0, a, b), v1 = madd(v1, a, b), v2 = madd(v2, a, b), v3 = madd(v3, a, b);
      v4 = madd(v4, a, b), v5 = madd(v5, a, b), v6 = madd(v6, a, b), v7 = madd(v7, a, b);
      v8 = madd(v8, a, b), v9 = madd(v9, a, b), v10 = madd(v10, a, b), v11 = madd(v11, a, b);
    }
    v128.store(at, v0);
    v128.store(at, v1, 16);
    v128.store(at, v2, 32);
    v128.store(at, v3, 48);
    v128.store(at, v4, 64);
    v128.store(at, v5, 80);
    v128.store(at, v6, 96);
    v128.store(at, v7, 112);
    v128.store(at, v8, 128);
    v128.store(at, v9, 144);
    v128.store(at, v10, 160);
    v128.store(at, v11, 176);
  }
}
