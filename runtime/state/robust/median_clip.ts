/**
 * The default rule: no contribution pulls harder than the median one.
 *
 *     A = Σ wᵢ·cᵢ·Δᵢ / Σ wᵢ,   cᵢ = min(1, median(‖Δ‖) / ‖Δᵢ‖)
 *
 * It bounds what f hostile peers of n can do to about 2f/n of the update, costs nothing without an attack, and needs
 * norms only. The median counts heads, not weights: claimed tokens cannot move it. One pass, no memory.
 * @module
 */
import { type FoldRule, medianOf, totalWeight } from "./rule.ts";

export const medianClip: FoldRule = {
  name: "median-clip",
  needsGram: false,
  begin(pulls) {
    const clips = clipsToMedian(pulls.map(({ norm }) => norm)), total = totalWeight(pulls);
    return { kind: "sum", shares: pulls.map(({ weight }, i) => clips[i]! * weight / total) };
  },
};

/** Factor for each contribution, by its norm; all in 0…1. */
export function clipsToMedian(norms: readonly number[]): number[] {
  const median = medianOf(norms);
  return norms.map((norm) => norm > median ? median / norm : 1);
}
