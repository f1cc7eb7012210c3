/**
 * The robust rule: no contribution pulls harder than the median one.
 *
 * Δᵢ · min(1, median(‖Δ‖) / ‖Δᵢ‖), then the weighted mean. It bounds what f hostile peers of n can do to about 2f/n of
 * the update, costs nothing without an attack, and needs norms only, never all vectors at once.
 * @module
 */

/** Factor for each contribution, by its norm; all in 0…1. */
export function clipsToMedian(norms: readonly number[]): number[] {
  const median = medianOf(norms);
  return norms.map((norm) => norm > median ? median / norm : 1);
}

function medianOf(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b), middle = sorted.length >> 1;
  if (sorted.length % 2 === 1) return sorted[middle]!;
  return sorted.length === 0 ? 0 : (sorted[middle - 1]! + sorted[middle]!) / 2;
}
