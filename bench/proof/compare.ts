/**
 * What trials of several seeds say: means, and whether a difference is more than the noise between seeds.
 *
 * Trials of one seed start from the same weights and are judged on the same windows, so differences are taken seed by seed.
 * @module
 */

/** Two-sided 95 % of Student's t, by degrees of freedom from 1. */
const T_95 = [12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262] as const;

export interface Difference {
  readonly mean: number;
  /** Half of the mean's 95 % interval; null of a single seed. */
  readonly within: number | null;
  /** `noise`, where the interval holds 0 or there is only one seed. */
  readonly verdict: "less" | "more" | "noise";
}

/** Of values by seed against others of the same seeds, in the same order. */
export function differenceOf(values: readonly number[], others: readonly number[]): Difference {
  const differences = values.map((value, i) => value - others[i]!), mean = meanOf(differences);
  const freedom = differences.length - 1;
  if (freedom < 1) return { mean, within: null, verdict: "noise" };
  const error = deviationOf(differences) / Math.sqrt(differences.length);
  const within = (T_95[freedom - 1] ?? 2.26) * error;
  return { mean, within, verdict: Math.abs(mean) <= within ? "noise" : mean < 0 ? "less" : "more" };
}

export function meanOf(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** Standard deviation of the sample; 0 of a single value. */
export function deviationOf(values: readonly number[]): number {
  const mean = meanOf(values);
  return values.length < 2
    ? 0
    : Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (values.length - 1));
}
