/**
 * The innermost loops of a fold in WebAssembly: sums of contributions, squares of their codes, inner products.
 *
 * This is no kernel of a device: all peers must get the same bits, so no GPU ever does it. WebAssembly without relaxed
 * operations is as exact as JavaScript: its vectors do to each lane what one f64 operation does. What each function
 * computes is written below; the plain loops that it agrees with bit for bit are `Int8Vector`, `F32Vector` and `dot`
 * in `runtime/state`, and `runtime/state/simd_loops.ts` is the only file that calls them.
 *
 * The module lies beside its source, compiled: every peer folds with the same bytes, at once and without a compiler.
 * `deno run -A tests/golden/make_fold_sums.ts` writes it anew, and a test holds it to the source.
 *
 * The one thing to know: addresses are bytes of the memory that the module is linked to, counts are rounded up to whole
 * vectors. So behind all that is read or written there must be room for 16 values, and what comes to lie there is
 * nothing.
 * @module
 */
import source from "./fold_sums.as" with { type: "text" };
import compiled from "./fold_sums.wasm.base64" with { type: "text" };

/** For the compiler of AssemblyScript. */
export const foldSumsSource = { name: "fold_sums", text: source };

/** The module that it makes of the source, without relaxed operations: linked to a shared memory, `env.memory`. */
export const foldSumsModule: Uint8Array<ArrayBuffer> = Uint8Array.from(
  atob(compiled),
  (letter) => letter.charCodeAt(0),
);

/** A record tells of one part; little-endian: u32 values, u32 exponents, u32 shift, u32 offset, f64 share. */
export const RECORD_BYTES = 24;

/** Values that `count`s are rounded up to, and that a scale of int8 codes serves at least. */
export const VECTOR_VALUES = 16;

export interface FoldSums {
  /**
   * intoᵢ ← intoᵢ + (share · 2^(exponent − 127)) · codeᵢ for one part after the other. `into` are f64; the exponent of
   * value i is the byte at exponents + ((offset + i) >> shift), and offset is a multiple of 16.
   */
  add_int8(into: number, records: number, parts: number, count: number): void;
  /** intoᵢ ← intoᵢ + share · valueᵢ, of f32, for one part after the other. */
  add_f32(into: number, records: number, parts: number, count: number): void;
  /**
   * `before` + Σ (squares of a block's codes · scale) · scale, block after block of 2^shift codes. Behind the last code
   * there must be zeros up to a whole vector.
   */
  add_squares_int8(codes: number, exponents: number, shift: number, count: number, before: number): number;
  /**
   * Writes the inner products of all pairs of `rowCount` rows of f64, (0, 0), (1, 0), (1, 1), (2, 0) …, each as
   * s₀ + s₁ + (s₂ + s₃) with sₖ the sum over places ≡ k mod 4, and what is left over after the last four in s₀. Rows
   * begin `stride` bytes apart.
   */
  products(rows: number, stride: number, rowCount: number, count: number, into: number): void;
}
