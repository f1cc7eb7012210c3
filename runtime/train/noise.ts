/**
 * How noisy gradients are, from those of two halves of one batch.
 *
 * Pure. G is the mean of the gradients of single sequences, Σ their covariance, g_A and g_B are the mean gradients of
 * the halves. Quantities are those of a sequence, so batches of any size give the same. One reading is itself noisy, and
 * a quotient of two readings is biased: take means of each figure first, over steps and over peers, then quotients.
 *
 * McCandlish et al. 2018, arXiv 1812.06162, appendix A, with the two batches being a half and the whole.
 * @module
 */

/** The mean gradients of two halves of a batch. */
export interface GradientHalves {
  /** |g_A|². */
  readonly first: number;
  /** |g_B|². */
  readonly second: number;
  /** ⟨g_A, g_B⟩. */
  readonly inner: number;
  /** Of each half. */
  readonly sequences: readonly [number, number];
}

export interface NoiseFigures {
  /** Estimate of tr Σ. At least 0. */
  readonly variance: number;
  /** Estimate of |G|², without bias: may be below 0 where noise is larger. */
  readonly signal: number;
  /**
   * Estimate of the variance of ⟨gᵢ, G⟩ over sequences i. At least 0. Biased upwards by about tr Σ² / 2m, with m the
   * sequences of a half, since its G is that of the same m sequences: much where a step's gradient is mostly noise.
   */
  readonly along: number;
}

/** One reading. Halves of unequal size count as two of their harmonic mean. */
export function noiseOf({ first, second, inner, sequences: [one, other] }: GradientHalves): NoiseFigures {
  const m = 2 / (1 / one + 1 / other);
  return {
    variance: Math.max(0, m * (first + second - 2 * inner) / 2),
    signal: inner,
    along: m * (first - second) ** 2 / 8,
  };
}
