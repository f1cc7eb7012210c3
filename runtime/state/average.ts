/**
 * The average of two states' weights, for merge records: bit for bit the same on every machine.
 *
 *     θ = a + s·(b − a),   s = share(b) / (share(a) + share(b))
 *
 * and the outer momentum alike. Each value is computed in f64 from f32, in the order written, and rounded once. In this
 * form, values that are equal on both sides stay as they are, padding among them.
 *
 * Both sides started from one ancestor and took outer steps of their own since; with shares that are the work of each,
 * the average is what one peer's fold of two contributions would be, and momentum is linear in those as well. What lies
 * between the sides never enters the momentum: so groups that are averaged again and again stay together whatever μ < 1
 * is (`average_stability_test.ts`).
 * @module
 */

/** One side: what `viewWeights` gives, with its part in the sum. */
export interface WeightedState {
  readonly parameters: Float32Array;
  /** Null where the outer momentum is 0. */
  readonly momentum: Float32Array | null;
  /** Not negative; both together are above 0. */
  readonly share: number;
}

/** Writes the average of `a` and `b` into `out`, whose arrays may be those of one side. */
export function average(a: WeightedState, b: WeightedState, out: Omit<WeightedState, "share">): void {
  const total = a.share + b.share;
  if (!(total > 0)) throw new RangeError(`Cannot average two states: their shares are ${a.share} and ${b.share}`);
  const share = b.share / total;
  mix(a.parameters, b.parameters, share, out.parameters);
  if (a.momentum !== null && b.momentum !== null && out.momentum !== null) {
    mix(a.momentum, b.momentum, share, out.momentum);
  }
}

/** a + share·(b − a), each value in f64 and rounded once; `out` may be one of the two. */
export function mix(a: Float32Array, b: Float32Array, share: number, out: Float32Array): void {
  for (let i = 0; i < out.length; i++) out[i] = a[i]! + share * (b[i]! - a[i]!);
}
