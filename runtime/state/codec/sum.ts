/**
 * Σ shareᵢ · vectorᵢ, a stretch of values at a time: to every sum the vectors' values are added in the vectors' order.
 *
 * It knows which codecs can add several vectors in one pass; the bits are those of one after the other.
 * @module
 */
import type { EncodedVector } from "./codec.ts";
import { addFour, type Four, Int8Vector } from "./int8_vector.ts";

/** Adds to each of `into` the values from `start` on. */
export type Adder = (into: Float64Array, start: number) => void;

export function adderOf(vectors: readonly EncodedVector[], shares: readonly number[]): Adder {
  const steps: Adder[] = [];
  for (let i = 0; i < vectors.length;) {
    const four = vectors.slice(i, i + 4), ownShares = shares.slice(i, i + 4);
    if (isFour(four) && isFour(ownShares) && allInt8(four)) {
      steps.push((into, start) => addFour(into, four, { start, shares: ownShares }));
      i += 4;
    } else {
      const vector = vectors[i]!, share = shares[i]!;
      steps.push((into, start) => vector.addTo(into, { start, share }));
      i++;
    }
  }
  return (into, start) => {
    for (const step of steps) step(into, start);
  };
}

function isFour<T>(values: readonly T[]): values is Four<T> {
  return values.length === 4;
}

function allInt8(vectors: Four<EncodedVector>): vectors is Four<Int8Vector> {
  return vectors.every((vector) => vector instanceof Int8Vector);
}
