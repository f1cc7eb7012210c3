/**
 * The innermost loops of a fold: what it does to every value of every part. They are exchangeable, because all of them
 * give the same bits: the plain ones below, in JavaScript, and those of WebAssembly (`simd_loops.ts`).
 * @module
 */
import type { EncodedVector } from "./codec/codec.ts";
import { type Adder, adderOf } from "./codec/sum.ts";
import { dot } from "./robust/gram.ts";

export interface FoldLoops {
  /**
   * Arrays of zeros that these loops are fastest on. Those given before are gone.
   * @param length Values of each.
   */
  rooms(count: number, length: number): Float64Array[];
  /** As `EncodedVector.normSquared`. */
  normSquared(vector: EncodedVector): number;
  /** As the function in `codec/sum.ts`. */
  adderOf(vectors: readonly EncodedVector[], shares: readonly number[]): Adder;
  /** Writes `dot` of all pairs of rows of one length: (0, 0), (1, 0), (1, 1), (2, 0) … */
  products(rows: readonly Float64Array[], into: Float64Array): void;
}

export const plainLoops: FoldLoops = {
  rooms: (count, length) => Array.from({ length: count }, () => new Float64Array(length)),
  normSquared: (vector) => vector.normSquared(),
  adderOf,
  products(rows, into) {
    for (let i = 0, pair = 0; i < rows.length; i++) {
      for (let j = 0; j <= i; j++) into[pair++] = dot(rows[i]!, rows[j]!);
    }
  },
};
