// The loops of a fold, two f64 lanes at a time. A lane does to its value what `fold_sums.ts` says, in that order; nothing
// is added across lanes that the plain loops do not add so. No relaxed operation may stand here: they differ by machine.

/** Bytes of a record: address of values, address of exponents, shift, offset, share. */
const RECORD: usize = 24;

/** What a biased exponent of int8 codes scales by: 2^(exponent − 127), as the bits of an f64. */
// @ts-ignore: decorator
@inline
function scaleOf(exponent: u8): f64 {
  return reinterpret<f64>((<u64> exponent + (1023 - 127)) << 52);
}

// @ts-ignore: decorator
@inline
function addProduct(sums: v128, factor: v128, low: v128): v128 {
  return f64x2.add(sums, f64x2.mul(factor, f64x2.convert_low_i32x4_s(low)));
}

// @ts-ignore: decorator
@inline
function highOf(words: v128): v128 {
  return v128.shuffle<i32>(words, words, 2, 3, 0, 1);
}

/** Sixteen sums are held while all parts are added to them. Sixteen values of a part always share a scale. */
export function add_int8(into: usize, records: usize, parts: i32, count: i32): void {
  const end = records + RECORD * parts;
  for (let at = 0; at < count; at += 16) {
    const sums = into + (at << 3);
    let a = v128.load(sums, 0), b = v128.load(sums, 16), c = v128.load(sums, 32), d = v128.load(sums, 48);
    let e = v128.load(sums, 64), f = v128.load(sums, 80), g = v128.load(sums, 96), h = v128.load(sums, 112);
    for (let part = records; part < end; part += RECORD) {
      const codes = <usize> load<u32>(part) + at, block = (load<i32>(part, 12) + at) >>> load<i32>(part, 8);
      const scale = scaleOf(load<u8>(<usize> load<u32>(part, 4) + block));
      const factor = f64x2.splat(load<f64>(part, 16) * scale);
      const low = v128.load_ext<i8>(codes, 0), high = v128.load_ext<i8>(codes, 8);
      let words = i32x4.extend_low_i16x8_s(low);
      a = addProduct(a, factor, words);
      b = addProduct(b, factor, highOf(words));
      words = i32x4.extend_high_i16x8_s(low);
      c = addProduct(c, factor, words);
      d = addProduct(d, factor, highOf(words));
      words = i32x4.extend_low_i16x8_s(high);
      e = addProduct(e, factor, words);
      f = addProduct(f, factor, highOf(words));
      words = i32x4.extend_high_i16x8_s(high);
      g = addProduct(g, factor, words);
      h = addProduct(h, factor, highOf(words));
    }
    v128.store(sums, a, 0);
    v128.store(sums, b, 16);
    v128.store(sums, c, 32);
    v128.store(sums, d, 48);
    v128.store(sums, e, 64);
    v128.store(sums, f, 80);
    v128.store(sums, g, 96);
    v128.store(sums, h, 112);
  }
}

// @ts-ignore: decorator
@inline
function addReals(sums: v128, share: v128, values: usize): v128 {
  return f64x2.add(sums, f64x2.mul(share, f64x2.promote_low_f32x4(v128.load_zero<f64>(values))));
}

export function add_f32(into: usize, records: usize, parts: i32, count: i32): void {
  const end = records + RECORD * parts;
  for (let at = 0; at < count; at += 8) {
    const sums = into + (at << 3);
    let a = v128.load(sums, 0), b = v128.load(sums, 16), c = v128.load(sums, 32), d = v128.load(sums, 48);
    for (let part = records; part < end; part += RECORD) {
      const values = <usize> load<u32>(part) + (at << 2), share = f64x2.splat(load<f64>(part, 16));
      a = addReals(a, share, values);
      b = addReals(b, share, values + 8);
      c = addReals(c, share, values + 16);
      d = addReals(d, share, values + 24);
    }
    v128.store(sums, a, 0);
    v128.store(sums, b, 16);
    v128.store(sums, c, 32);
    v128.store(sums, d, 48);
  }
}

/** Squares of codes are whole numbers: within a block any order gives the same sum, below 2²⁶. */
export function add_squares_int8(codes: usize, exponents: usize, shift: i32, count: i32, before: f64): f64 {
  const block = 1 << shift;
  let sum = before;
  for (let start = 0; start < count; start += block, exponents++) {
    const stop = min(start + block, count);
    let fours = i32x4.splat(0);
    for (let at = start; at < stop; at += 16) {
      const low = v128.load_ext<i8>(codes + at, 0), high = v128.load_ext<i8>(codes + at, 8);
      fours = i32x4.add(fours, i32x4.add(i32x4.dot_i16x8_s(low, low), i32x4.dot_i16x8_s(high, high)));
    }
    const squares = i32x4.extract_lane(fours, 0) + i32x4.extract_lane(fours, 1) + i32x4.extract_lane(fours, 2) +
      i32x4.extract_lane(fours, 3);
    const scale = scaleOf(load<u8>(exponents));
    sum += <f64> squares * scale * scale;
  }
  return sum;
}

/** The sum of four interleaved sums, two a vector, and of what is left over, which belongs to the first of them. */
function ended(first: v128, second: v128, a: usize, b: usize, from: i32, count: i32): f64 {
  let s0 = f64x2.extract_lane(first, 0);
  for (let i = from; i < count; i++) s0 += load<f64>(a + (i << 3)) * load<f64>(b + (i << 3));
  return s0 + f64x2.extract_lane(first, 1) + (f64x2.extract_lane(second, 0) + f64x2.extract_lane(second, 1));
}

/** A row's products with four others, which begin `stride` bytes apart. */
function four_products(a: usize, others: usize, stride: usize, count: i32, into: usize): void {
  const b = others, c = b + stride, d = c + stride, e = d + stride, fours = count & ~3, zero = f64x2.splat(0);
  let b0 = zero, b1 = zero, c0 = zero, c1 = zero, d0 = zero, d1 = zero, e0 = zero, e1 = zero;
  for (let i = 0; i < fours; i += 4) {
    const at = <usize> (i << 3), first = v128.load(a + at), second = v128.load(a + at, 16);
    b0 = f64x2.add(b0, f64x2.mul(first, v128.load(b + at)));
    b1 = f64x2.add(b1, f64x2.mul(second, v128.load(b + at, 16)));
    c0 = f64x2.add(c0, f64x2.mul(first, v128.load(c + at)));
    c1 = f64x2.add(c1, f64x2.mul(second, v128.load(c + at, 16)));
    d0 = f64x2.add(d0, f64x2.mul(first, v128.load(d + at)));
    d1 = f64x2.add(d1, f64x2.mul(second, v128.load(d + at, 16)));
    e0 = f64x2.add(e0, f64x2.mul(first, v128.load(e + at)));
    e1 = f64x2.add(e1, f64x2.mul(second, v128.load(e + at, 16)));
  }
  store<f64>(into, ended(b0, b1, a, b, fours, count), 0);
  store<f64>(into, ended(c0, c1, a, c, fours, count), 8);
  store<f64>(into, ended(d0, d1, a, d, fours, count), 16);
  store<f64>(into, ended(e0, e1, a, e, fours, count), 24);
}

function one_product(a: usize, b: usize, count: i32): f64 {
  const fours = count & ~3;
  let first = f64x2.splat(0), second = first;
  for (let i = 0; i < fours; i += 4) {
    const at = <usize> (i << 3);
    first = f64x2.add(first, f64x2.mul(v128.load(a + at), v128.load(b + at)));
    second = f64x2.add(second, f64x2.mul(v128.load(a + at, 16), v128.load(b + at, 16)));
  }
  return ended(first, second, a, b, fours, count);
}

export function products(rows: usize, stride: usize, rowCount: i32, count: i32, into: usize): void {
  let out = into;
  for (let i = 0; i < rowCount; i++) {
    const row = rows + stride * i;
    let j = 0;
    for (; j + 4 <= i + 1; j += 4, out += 32) four_products(row, rows + stride * j, stride, count, out);
    for (; j <= i; j++, out += 8) store<f64>(out, one_product(row, rows + stride * j, count));
  }
}
