/**
 * The geometric median: the point with the least weighted sum of distances to all contributions.
 *
 *     v ← Σ (wᵢ/dᵢ)·Δᵢ / Σ (wᵢ/dᵢ),   dᵢ = max(‖Δᵢ − v‖, ε)
 *
 * Weiszfeld's iteration from the weighted mean, smoothed at ε: Pillutla, Kakade and Harchaoui 2019, arXiv 1912.13445,
 * algorithm 2. It holds while hostile peers have less than half of the weight, whatever the lengths of what they send.
 *
 * Two passes (`gram.ts`, then the sum), whatever the number of iterations.
 * @module
 */
import { distancesFrom } from "./gram.ts";
import { type FoldRule, medianOf, sharesOf } from "./rule.ts";

/** Enough that the last one moves v by less than 10⁻³ of a typical distance, also from a far start. */
const ITERATIONS = 32;
/** ε as a share of the median norm: nearer points count as this near, so that none has all the weight. */
const SMOOTHING = 1e-6;

export const geometricMedian: FoldRule = {
  name: "geometric-median",
  needsGram: true,
  begin(pulls, gram) {
    const shares = sharesOf(pulls);
    const nearest = SMOOTHING * medianOf(pulls.map(({ norm }) => norm));
    let centre = shares;
    for (let i = 0; i < ITERATIONS; i++) {
      const pull = distancesFrom(centre, gram!).map((distance, i) => shares[i]! / Math.max(distance, nearest));
      const total = pull.reduce((sum, share) => sum + share, 0);
      centre = pull.map((share) => share / total);
    }
    return { kind: "sum", shares: centre };
  },
};
