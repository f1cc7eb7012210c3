/**
 * The leave-one-out screen: does a contribution pull against all the others? It is told to people and changes no bit.
 *
 *     cosᵢ = ⟨Xᵢ, Σ_{j≠i} Xⱼ⟩ / (‖Xᵢ‖·‖Σ_{j≠i} Xⱼ‖),   Xᵢ = Δᵢ clipped to the median norm
 *
 * Two vectors of d values without anything in common have a cosine of 0 ± 1/√d, so one below −6/√d is no chance; honest
 * peers, who descend one loss, are near 0 or above. Clipped first, because one long vector would turn the sum, and with
 * it everybody else's cosine, its own way.
 *
 * One pass over `MOST_VALUES` values at most, spread evenly over the model: then the threshold is near −0.02.
 * @module
 */
import { dot } from "./gram.ts";
import { clipsToMedian } from "./median_clip.ts";
import type { Pull } from "./rule.ts";

/** With three, the two that a hostile one stands against may as well be the hostile ones. */
const LEAST_COUNT = 4;
const DEVIATIONS = 6;
const STRETCH = 2048, MOST_STRETCHES = 32;
const MOST_VALUES = STRETCH * MOST_STRETCHES;

export interface Screen {
  /** One for each contribution, in order. */
  readonly cosines: readonly number[];
  /** Below it, a contribution pulls against the others. */
  readonly threshold: number;
}

/** Compares each with all others; null if there are too few to tell who is the odd one. */
export function screenOf(pulls: readonly Pull[]): Screen | null {
  if (pulls.length < LEAST_COUNT) return null;
  const clips = clipsToMedian(pulls.map(({ norm }) => norm)), length = pulls[0]!.vector.length;
  const rows = pulls.map(() => new Float64Array(STRETCH)), sum = new Float64Array(STRETCH);
  const own = pulls.map(() => 0), withSum = pulls.map(() => 0);
  let sumSquared = 0;
  for (const start of stretchesOf(length)) {
    const size = Math.min(STRETCH, length - start), all = sum.subarray(0, size).fill(0);
    for (const [i, { vector }] of pulls.entries()) {
      const row = rows[i]!.subarray(0, size).fill(0);
      vector.addTo(row, { start, share: clips[i]! });
      for (let at = 0; at < size; at++) all[at] = all[at]! + row[at]!;
    }
    for (const [i, buffer] of rows.entries()) {
      const row = buffer.subarray(0, size);
      own[i]! += dot(row, row);
      withSum[i]! += dot(row, all);
    }
    sumSquared += dot(all, all);
  }
  const cosines = pulls.map((_, i) => {
    const othersSquared = Math.max(0, sumSquared - 2 * withSum[i]! + own[i]!);
    const lengths = Math.sqrt(own[i]!) * Math.sqrt(othersSquared);
    return lengths > 0 ? (withSum[i]! - own[i]!) / lengths : 0;
  });
  return { cosines, threshold: -DEVIATIONS / Math.sqrt(Math.min(length, MOST_VALUES)) };
}

/** Where the stretches begin that are looked at: all of them, or as many as allowed, evenly spread. */
function stretchesOf(length: number): number[] {
  const count = Math.ceil(length / STRETCH), looked = Math.min(count, MOST_STRETCHES);
  return Array.from({ length: looked }, (_, i) => Math.floor(i * count / looked) * STRETCH);
}
