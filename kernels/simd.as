// Shared by the WebAssembly forms: four f32 at a time, and the 4 × 8 tile that every product of matrices is made of.
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

/** `v` with the lanes before `first` replaced by `other`; `first` may be any number. */
// @ts-ignore: decorator
@inline
export function keep_from(v: v128, first: i32, other: v128): v128 {
  return v128.bitselect(other, v, i32x4.lt_s(i32x4(0, 1, 2, 3), i32x4.splat(first)));
}

/**
 * Stores the first `count` lanes: all from 4 on, none up to 0. Reading past an end is safe (behind every buffer there is
 * memory), writing is not.
 */
// @ts-ignore: decorator
@inline
export function store_lanes(address: usize, v: v128, count: i32): void {
  if (count >= 4) {
    v128.store(address, v);
    return;
  }
  if (count > 0) f32.store(address, f32x4.extract_lane(v, 0));
  if (count > 1) f32.store(address, f32x4.extract_lane(v, 1), 4);
  if (count > 2) f32.store(address, f32x4.extract_lane(v, 2), 8);
}

/** Σ (v − centre)² over `count` values. Eight sums are made at once, since each addition waits for the one before it. */
export function squares_around(from: usize, count: i32, centre: v128): f32 {
  const zero = f32x4.splat(0), whole = count & ~7;
  let even = zero, odd = zero;
  for (const end = from + (whole << 2); from < end; from += 32) {
    const a = f32x4.sub(v128.load(from), centre), b = f32x4.sub(v128.load(from, 16), centre);
    even = madd(a, a, even);
    odd = madd(b, b, odd);
  }
  for (let left = count - whole; left > 0; left -= 4, from += 16) {
    const v = keep_lanes(f32x4.sub(v128.load(from), centre), left, zero);
    even = madd(v, v, even);
  }
  return lanes_sum(f32x4.add(even, odd));
}

/** Σ a · b over `count` values. */
export function dot_product(a: usize, b: usize, count: i32): f32 {
  const zero = f32x4.splat(0), whole = count & ~3;
  let sum = zero;
  for (let d = 0; d < whole; d += 4) sum = madd(v128.load(a + (d << 2)), v128.load(b + (d << 2)), sum);
  if (whole < count) {
    const at: usize = whole << 2;
    sum = f32x4.add(sum, keep_lanes(f32x4.mul(v128.load(a + at), v128.load(b + at)), count - whole, zero));
  }
  return lanes_sum(sum);
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
 * eˣ, off by at most 2 units in the last place: eˣ = 2ⁿ · eʳ with |r| ≤ ln 2 / 2, eʳ by the degree-6 polynomial of Cephes
 * `expf`, in pairs of terms (Estrin), since a processor waits for the longest chain. Below −87 it stays at e⁻⁸⁷ and above
 * 88 at e⁸⁸; NaN stays NaN. Adding 1.5 · 2²³ + 127 rounds to a whole number and leaves the exponent's bits lowest: the
 * instructions that round and convert cost several times as much.
 */
// @ts-ignore: decorator
@inline
export function exp4(value: v128): v128 {
  const x = f32x4.pmin(f32x4.pmax(value, constant(0)), constant(1));
  const rounded = madd(x, constant(3), constant(2)), n = f32x4.sub(rounded, constant(2));
  let r = madd(n, constant(4), x);
  r = madd(n, constant(5), r);
  const square = f32x4.mul(r, r), low = madd(constant(10), r, constant(11)), middle = madd(constant(8), r, constant(9));
  const high = madd(constant(6), r, constant(7)), rest = madd(madd(high, square, middle), square, low);
  const p = madd(rest, square, f32x4.add(r, constant(ONE)));
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
 * Reads a word of every line of the cache that some rows are in. So they come from memory together, where whoever needs
 * them row by row and computes in between would wait for each. What it reads it leaves at `to`: compilers leave out a load
 * that nobody wants.
 */
export function touch_rows(from: usize, row: usize, rows: i32, columns: i32, to: usize): void {
  const bytes: usize = columns << 2;
  let seen = 0;
  for (let r = 0; r < rows; r++, from += row) {
    for (let at: usize = 0; at < bytes; at += 64) seen |= i32.load(from + at);
  }
  store<i32>(to, seen);
}

/**
 * Packs a matrix (`depth` × `columns`, rows `row` bytes apart) for `packed_tile`: panels of `width` columns, 4 or 8, one
 * panel after another, with zeros behind the last column.
 */
export function pack_columns(from: usize, row: usize, depth: i32, columns: i32, width: i32, to: usize): void {
  const bytes = width << 2;
  for (let j = 0; j < columns; j += width, from += bytes, to += depth * bytes) {
    const there = min(width, columns - j);
    let at = from, into = to;
    if (there < width) {
      memory.fill(to, 0, depth * bytes);
      for (let k = 0; k < depth; k++, at += row, into += bytes) memory.copy(into, at, there << 2);
    } else {
      for (let k = 0; k < depth; k++, at += row, into += bytes) {
        v128.store(into, v128.load(at));
        if (width === 8) v128.store(into, v128.load(at, 16), 16);
      }
    }
  }
}

/** The same for a matrix that is stored the other way round: `columns` rows of `depth` values. */
export function pack_rows(from: usize, row: usize, depth: i32, columns: i32, width: i32, to: usize): void {
  const bytes = width << 2;
  for (let j = 0; j < columns; j += width, from += width * row, to += depth * bytes) {
    const there = min(width, columns - j);
    if (there < width) memory.fill(to, 0, depth * bytes);
    transpose(from, row, there, depth, to, bytes);
  }
}

/**
 * y (4 × 8) = [y if `keep`] + [bias (8) if not 0] + a (4 × depth) · b (depth × 8), both packed. Eight sums and their
 * operands fit the sixteen registers of x86; of more, engines put some aside in every step. One load and four shuffles
 * give the factors of four rows sooner than four loads.
 */
export function packed_tile(a: usize, b: usize, depth: i32, bias: usize, y: usize, yRow: usize, keep: bool): void {
  let y00 = f32x4.splat(0), y01 = y00;
  if (bias) {
    y00 = v128.load(bias);
    y01 = v128.load(bias, 16);
  }
  let y10 = y00, y11 = y01, y20 = y00, y21 = y01, y30 = y00, y31 = y01;
  for (let k = 0; k < depth; k++) {
    const b0 = v128.load(b), b1 = v128.load(b, 16), four = v128.load(a);
    const x0 = v128.shuffle<f32>(four, four, 0, 0, 0, 0);
    y00 = madd(x0, b0, y00), y01 = madd(x0, b1, y01);
    const x1 = v128.shuffle<f32>(four, four, 1, 1, 1, 1);
    y10 = madd(x1, b0, y10), y11 = madd(x1, b1, y11);
    const x2 = v128.shuffle<f32>(four, four, 2, 2, 2, 2);
    y20 = madd(x2, b0, y20), y21 = madd(x2, b1, y21);
    const x3 = v128.shuffle<f32>(four, four, 3, 3, 3, 3);
    y30 = madd(x3, b0, y30), y31 = madd(x3, b1, y31);
    a += 16, b += 32;
  }
  store_eight(y, keep, y00, y01);
  store_eight(y + yRow, keep, y10, y11);
  store_eight(y + 2 * yRow, keep, y20, y21);
  store_eight(y + 3 * yRow, keep, y30, y31);
}

// @ts-ignore: decorator
@inline
function store_eight(y: usize, keep: bool, y0: v128, y1: v128): void {
  v128.store(y, keep ? f32x4.add(v128.load(y), y0) : y0);
  v128.store(y, keep ? f32x4.add(v128.load(y, 16), y1) : y1, 16);
}

/**
 * y (rows × 8) = [y if `keep`] + a (rows × depth) · b (depth × 8), all packed, by whole panels of four rows. Panels of a
 * are `panel` bytes apart: they may be longer than depth.
 */
export function packed_strip(a: usize, panel: usize, b: usize, depth: i32, rows: i32, y: usize, keep: bool): void {
  for (let i = 0; i < rows; i += 4, a += panel, y += 128) packed_tile(a, b, depth, 0, y, 32, keep);
}

/** Multiplies `count` values, a multiple of 4, by a factor. */
export function scale_values(at: usize, count: i32, factor: f32): void {
  const scale = f32x4.splat(factor);
  for (const end = at + (count << 2); at < end; at += 16) v128.store(at, f32x4.mul(v128.load(at), scale));
}

/** `value` rounded up to a multiple of 4: the rows of whole panels. */
// @ts-ignore: decorator
@inline
export function fours(value: i32): i32 {
  return (value + 3) & ~3;
}

/** `value` rounded up to a multiple of 8: the columns of whole tiles. */
// @ts-ignore: decorator
@inline
export function eights(value: i32): i32 {
  return (value + 7) & ~7;
}
