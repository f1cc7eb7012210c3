/**
 * How a pseudo-gradient becomes bytes: the interface of codecs (`codecs.ts` is the table of all of them).
 *
 * A codec turns one vector of f32 values (a whole parameter arena) into bytes of a size that follows from its length,
 * and reads them back exactly as every other peer does: decoding is integer work and exact products only, so it gives
 * the same bits everywhere. It knows no layout, round or peer.
 *
 * The bytes come from strangers. Nothing here throws because of them: a wrong byte is a reason, and a vector is added in
 * pieces of the caller's size, so that a fold of many contributions needs no more memory than a fold of one.
 * @module
 */

export type CodecName = "f32" | "int8" | "topk";

export interface Codec {
  readonly name: CodecName;
  /** Size of `length` encoded values. */
  sizeBytes(length: number): number;
  /** The plain encoder, on the CPU. Finite values only. Decoded + residual = values, but for the rounding of an f32. */
  encode(values: Float32Array): Encoded;
  /** Checks everything but the values themselves; `length` is how many there must be. */
  open(bytes: Uint8Array, length: number): Opened;
}

export interface Encoded {
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** What the bytes leave out: added to the next pseudo-gradient (error feedback). */
  readonly residual: Float32Array<ArrayBuffer>;
}

export type Opened =
  | { readonly ok: true; readonly vector: EncodedVector }
  | { readonly ok: false; readonly reason: string };

/** Encoded values as a fold needs them; both results have the same bits on every machine. */
export interface EncodedVector {
  readonly length: number;
  /** Sum of the squares of all values; not finite exactly if a value is not. */
  normSquared(): number;
  /** Adds share × value to each of `into`, for the `into.length` values from `start` on. */
  addTo(into: Float64Array, options: { readonly start: number; readonly share: number }): void;
}
