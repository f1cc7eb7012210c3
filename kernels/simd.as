// Shared by the WebAssembly forms: four f32 at a time, and the 4 × 16 tile that every product of matrices is made of.
// Sums here have one fixed order, whatever thread runs them.

/** a · b + c, fused where the engine offers it; one engine always does the same. */
// @ts-ignore: decorator
@inline
export function madd(a: v128, b: v128, c: v128): v128 {
  if (ASC_FEATURE_RELAXED_SIMD) return f32x4.relaxed_madd(a, b, c);
  return f32x4.add(f32x4.mul(a, b), c);
}

/** Sum of the four lanes. */
// @ts-ignore: decorator
@inline
export function lanes_sum(v: v128): f32 {
  const pairs = f32x4.add(v, v128.shuffle<f32>(v, v, 2, 3, 0, 1));
  return f32x4.extract_lane(pairs, 0) + f32x4.extract_lane(pairs, 1);
}

/** Largest of the four lanes; NaN if one of them is. */
// @ts-ignore: decorator
@inline
export function lanes_max(v: v128): f32 {
  const pairs = f32x4.max(v, v128.shuffle<f32>(v, v, 2, 3, 0, 1));
  return max<f32>(f32x4.extract_lane(pairs, 0), f32x4.extract_lane(pairs, 1));
}

/** `v` with the lanes from `count` on replaced by `other`. */
// @ts-ignore: decorator
@inline
export function keep_lanes(v: v128, count: i32, other: v128): v128 {
  return v128.bitselect(v, other, i32x4.lt_s(i32x4(0, 1, 2, 3), i32x4.splat(count)));
}

/** Stores the first `count` ≤ 4 lanes. Reading a whole vector past an end is safe (buffers are padded), writing is not. */
// @ts-ignore: decorator
@inline
export function store_lanes(address: usize, v: v128, count: i32): void {
  if (count >= 4) {
    v128.store(address, v);
    return;
  }
  f32.store(address, f32x4.extract_lane(v, 0));
  if (count > 1) f32.store(address, f32x4.extract_lane(v, 1), 4);
  if (count > 2) f32.store(address, f32x4.extract_lane(v, 2), 8);
}

/** Four f32 to the first (0) or last (1) two f64. */
// @ts-ignore: decorator
@inline
export function widen_low(v: v128): v128 {
  return f64x2.promote_low_f32x4(v);
}
// @ts-ignore: decorator
@inline
export function widen_high(v: v128): v128 {
  return f64x2.promote_low_f32x4(v128.shuffle<f32>(v, v, 2, 3, 2, 3));
}

// Constants of the loops that are bound by arithmetic: a load is one instruction, a constant in the code three. This is
// the only static data of all sources, so that every module has it at the same address with the same contents.
const CONSTANTS = memory.data<f32>([
  -87, 88, 12583039, 1.44269504, -0.693359375, 2.12194440e-4, // exp4: bounds, rounding, log₂ e, −ln 2 in two parts
  1.9875691500e-4, 1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1, 5.0000001201e-1,
  1, 1.5957691216057308, 0.044715, 0.134145, // 12; gelu: 2 · √(2/π), the cubic's factor and that of its slope
]);
export const ONE = 12, GELU_ROOT = 13, GELU_CUBIC = 14, GELU_CUBIC_SLOPE = 15;

/** Four times one of `CONSTANTS`. */
// @ts-ignore: decorator
@inline
export function constant(index: i32): v128 {
  return v128.load32_splat(CONSTANTS + (index << 2));
}

/**
 * eˣ, relative error ≤ 2⁻²²: eˣ = 2ⁿ · eʳ with |r| ≤ ln 2 / 2, eʳ by the degree-6 polynomial of Cephes `expf`.
 * Below −87 it stays at e⁻⁸⁷ and above 88 at e⁸⁸; NaN stays NaN. Adding 1.5 · 2²³ + 127 rounds to a whole number and
 * leaves the exponent's bits lowest: the instructions that round and convert cost several times as much.
 */
// @ts-ignore: decorator
@inline
export function exp4(value: v128): v128 {
  const x = f32x4.pmin(f32x4.pmax(value, constant(0)), constant(1));
  const rounded = madd(x, constant(3), constant(2)), n = f32x4.sub(rounded, constant(2));
  let r = madd(n, constant(4), x);
  r = madd(n, constant(5), r);
  let p = constant(6);
  p = madd(p, r, constant(7));
  p = madd(p, r, constant(8));
  p = madd(p, r, constant(9));
  p = madd(p, r, constant(10));
  p = madd(p, r, constant(11));
  p = madd(p, f32x4.mul(r, r), f32x4.add(r, constant(ONE)));
  return f32x4.mul(p, i32x4.shl(rounded, 23));
}

/** 1 / (1 + e⁻ˣ). */
// @ts-ignore: decorator
@inline
export function sigmoid4(x: v128): v128 {
  return f32x4.div(constant(ONE), f32x4.add(constant(ONE), exp4(f32x4.neg(x))));
}

/** ln x for positive, normal x: 2 artanh((m − 1)/(m + 1)) + n ln 2 with √½ ≤ m < √2, in f64. */
export function ln(x: f32): f64 {
  const bits = reinterpret<u32>(x) - 0x3f3504f3;
  const n = <f64> (<i32> bits >> 23);
  const m = <f64> reinterpret<f32>((bits & 0x007fffff) + 0x3f3504f3);
  const s = (m - 1) / (m + 1), z = s * s;
  return 2 * s * (1 + z * (1.0 / 3 + z * (1.0 / 5 + z * (1.0 / 7 + z * (1.0 / 9 + z / 11))))) + n * 0.6931471805599453;
}

/** Writes the 4 × 4 block at `from` (rows `fromRow` bytes apart) transposed to `to` (rows `toRow` bytes apart). */
// @ts-ignore: decorator
@inline
export function transpose4(from: usize, fromRow: usize, to: usize, toRow: usize): void {
  const a = v128.load(from), b = v128.load(from + fromRow);
  const c = v128.load(from + 2 * fromRow), d = v128.load(from + 3 * fromRow);
  const ab = v128.shuffle<f32>(a, b, 0, 4, 1, 5), AB = v128.shuffle<f32>(a, b, 2, 6, 3, 7);
  const cd = v128.shuffle<f32>(c, d, 0, 4, 1, 5), CD = v128.shuffle<f32>(c, d, 2, 6, 3, 7);
  v128.store(to, v128.shuffle<f32>(ab, cd, 0, 1, 4, 5));
  v128.store(to + toRow, v128.shuffle<f32>(ab, cd, 2, 3, 6, 7));
  v128.store(to + 2 * toRow, v128.shuffle<f32>(AB, CD, 0, 1, 4, 5));
  v128.store(to + 3 * toRow, v128.shuffle<f32>(AB, CD, 2, 3, 6, 7));
}

/** Writes `rows` × `columns` at `from` transposed to `to`; row strides in bytes. */
export function transpose(from: usize, fromRow: usize, rows: i32, columns: i32, to: usize, toRow: usize): void {
  const rows4 = rows & ~3, columns4 = columns & ~3;
  for (let r = 0; r < rows4; r += 4) {
    for (let c = 0; c < columns4; c += 4) {
      transpose4(from + r * fromRow + (c << 2), fromRow, to + c * toRow + (r << 2), toRow);
    }
  }
  for (let r = 0; r < rows; r++) {
    for (let c = r < rows4 ? columns4 : 0; c < columns; c++) {
      f32.store(to + c * toRow + (r << 2), f32.load(from + r * fromRow + (c << 2)));
    }
  }
}

/**
 * Packs a matrix (`depth` × `columns`, rows `row` bytes apart) for `tile`: panels of 16 columns one after another, each
 * row of a panel one cache line, zeros behind the last column.
 */
export function pack(from: usize, row: usize, depth: i32, columns: i32, to: usize): void {
  for (let j = 0; j < columns; j += 16, from += 64) {
    const width = min(16, columns - j);
    if (width < 16) memory.fill(to, 0, depth << 6);
    for (let k = 0, at = from; k < depth; k++, at += row, to += 64) {
      if (width === 16) {
        v128.store(to, v128.load(at));
        v128.store(to, v128.load(at, 16), 16);
        v128.store(to, v128.load(at, 32), 32);
        v128.store(to, v128.load(at, 48), 48);
      } else {
        memory.copy(to, at, width << 2);
      }
    }
  }
}

/** The same for a matrix that is stored the other way round: `columns` rows of `depth` values. */
export function pack_transposed(from: usize, row: usize, depth: i32, columns: i32, to: usize): void {
  for (let j = 0; j < columns; j += 16, from += row << 4, to += depth << 6) {
    const width = min(16, columns - j);
    if (width < 16) memory.fill(to, 0, depth << 6);
    transpose(from, row, width, depth, to, 64);
  }
}

/** Copies the rows that there are, at most 4 of `columns`, one behind the other; the rest of the four is zeros. */
export function four_rows(from: usize, row: usize, rows: i32, columns: i32, to: usize): void {
  if (rows < 4) memory.fill(to, 0, columns << 4);
  for (let r = 0; r < min(4, rows); r++) memory.copy(to + ((r * columns) << 2), from + r * row, columns << 2);
}

/** Copies `count` values times `factor`. */
export function scaled_row(from: usize, factor: f32, count: i32, to: usize): void {
  const scale = f32x4.splat(factor);
  for (let i = 0; i < count; i += 4) {
    store_lanes(to + (i << 2), f32x4.mul(v128.load(from + (i << 2)), scale), count - i);
  }
}

/** `value` rounded up to a multiple of 16, the width of a panel. */
// @ts-ignore: decorator
@inline
export function panels(value: i32): i32 {
  return (value + 15) & ~15;
}

/**
 * y (4 × 16) = [y if `keep`] + [bias (16) if not 0] + a (4 × depth) · b (depth × 16). Rows of a, b and y are `aRow`,
 * `bRow` and `yRow` bytes apart; `aRow` may be 0. Sixteen accumulators fill the registers of a 128-bit machine.
 */
export function tile(
  a: usize, aRow: usize, b: usize, bRow: usize, depth: i32, bias: usize, y: usize, yRow: usize, keep: bool,
): void {
  let a0 = a, a1 = a + aRow, a2 = a1 + aRow, a3 = a2 + aRow;
  let y00 = f32x4.splat(0), y01 = y00, y02 = y00, y03 = y00;
  if (bias) {
    y00 = v128.load(bias);
    y01 = v128.load(bias, 16);
    y02 = v128.load(bias, 32);
    y03 = v128.load(bias, 48);
  }
  let y10 = y00, y11 = y01, y12 = y02, y13 = y03;
  let y20 = y00, y21 = y01, y22 = y02, y23 = y03;
  let y30 = y00, y31 = y01, y32 = y02, y33 = y03;
  let b0: v128, b1: v128, b2: v128, b3: v128, x: v128;

  let k = 0;
  for (const even = depth & ~1; k < even; k += 2) {
    b0 = v128.load(b);
    b1 = v128.load(b, 16);
    b2 = v128.load(b, 32);
    b3 = v128.load(b, 48);
    x = v128.load32_splat(a0);
    y00 = madd(x, b0, y00), y01 = madd(x, b1, y01), y02 = madd(x, b2, y02), y03 = madd(x, b3, y03);
    x = v128.load32_splat(a1);
    y10 = madd(x, b0, y10), y11 = madd(x, b1, y11), y12 = madd(x, b2, y12), y13 = madd(x, b3, y13);
    x = v128.load32_splat(a2);
    y20 = madd(x, b0, y20), y21 = madd(x, b1, y21), y22 = madd(x, b2, y22), y23 = madd(x, b3, y23);
    x = v128.load32_splat(a3);
    y30 = madd(x, b0, y30), y31 = madd(x, b1, y31), y32 = madd(x, b2, y32), y33 = madd(x, b3, y33);
    b += bRow;
    b0 = v128.load(b);
    b1 = v128.load(b, 16);
    b2 = v128.load(b, 32);
    b3 = v128.load(b, 48);
    x = v128.load32_splat(a0, 4);
    y00 = madd(x, b0, y00), y01 = madd(x, b1, y01), y02 = madd(x, b2, y02), y03 = madd(x, b3, y03);
    x = v128.load32_splat(a1, 4);
    y10 = madd(x, b0, y10), y11 = madd(x, b1, y11), y12 = madd(x, b2, y12), y13 = madd(x, b3, y13);
    x = v128.load32_splat(a2, 4);
    y20 = madd(x, b0, y20), y21 = madd(x, b1, y21), y22 = madd(x, b2, y22), y23 = madd(x, b3, y23);
    x = v128.load32_splat(a3, 4);
    y30 = madd(x, b0, y30), y31 = madd(x, b1, y31), y32 = madd(x, b2, y32), y33 = madd(x, b3, y33);
    b += bRow;
    a0 += 8, a1 += 8, a2 += 8, a3 += 8;
  }
  if (k < depth) {
    b0 = v128.load(b);
    b1 = v128.load(b, 16);
    b2 = v128.load(b, 32);
    b3 = v128.load(b, 48);
    x = v128.load32_splat(a0);
    y00 = madd(x, b0, y00), y01 = madd(x, b1, y01), y02 = madd(x, b2, y02), y03 = madd(x, b3, y03);
    x = v128.load32_splat(a1);
    y10 = madd(x, b0, y10), y11 = madd(x, b1, y11), y12 = madd(x, b2, y12), y13 = madd(x, b3, y13);
    x = v128.load32_splat(a2);
    y20 = madd(x, b0, y20), y21 = madd(x, b1, y21), y22 = madd(x, b2, y22), y23 = madd(x, b3, y23);
    x = v128.load32_splat(a3);
    y30 = madd(x, b0, y30), y31 = madd(x, b1, y31), y32 = madd(x, b2, y32), y33 = madd(x, b3, y33);
  }
  store_row(y, keep, y00, y01, y02, y03);
  store_row(y + yRow, keep, y10, y11, y12, y13);
  store_row(y + 2 * yRow, keep, y20, y21, y22, y23);
  store_row(y + 3 * yRow, keep, y30, y31, y32, y33);
}

// @ts-ignore: decorator
@inline
function store_row(y: usize, keep: bool, y0: v128, y1: v128, y2: v128, y3: v128): void {
  v128.store(y, keep ? f32x4.add(v128.load(y), y0) : y0);
  v128.store(y, keep ? f32x4.add(v128.load(y, 16), y1) : y1, 16);
  v128.store(y, keep ? f32x4.add(v128.load(y, 32), y2) : y2, 32);
  v128.store(y, keep ? f32x4.add(v128.load(y, 48), y3) : y3, 48);
}
