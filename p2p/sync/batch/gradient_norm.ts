/**
 * The norm test: the batch is large enough when the variance of its mean gradient is at most η² times the gradient's own
 * squared norm, tr Σ / b ≤ η² |G|² (Byrd et al. 2012, Mathematical Programming 134; for language models Lau et al. 2024,
 * arXiv 2412.21124). So it wants b = tr Σ / (η² |G|²).
 *
 * The published tests put |ḡ|², the squared norm of the batch's mean gradient, in place of |G|². That is larger by tr Σ/b,
 * so it stops at (1 − η²) of the batch, grows by 1/η² at most, and for η ≥ 1 never: `plug-in`. `debiased` takes that off.
 * @module
 */
import type { Noise, NormTestChoice } from "../types.ts";
import type { Test } from "./policy.ts";

export function normTest({ eta, estimator }: NormTestChoice): Test {
  return {
    kind: "test",
    name: "norm test",
    wanted(noise, request) {
      const { variance } = noise, signal = estimator === "debiased" ? noise.signal : plugIn(noise, request);
      if (variance === 0) return 1;
      return signal <= 0 ? Infinity : variance / (eta * eta * signal);
    },
  };
}

/** What |ḡ|² of a batch of this size is on average. No box computes the mean gradient of the global batch. */
function plugIn({ variance, signal }: Noise, batch: number): number {
  return Math.max(0, signal) + variance / batch;
}
