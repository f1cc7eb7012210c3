/**
 * The leave-one-out screen: does a contribution pull against all the others?
 *
 *     cosᵢ = ⟨Xᵢ, Σ_{j≠i} Xⱼ⟩ / (‖Xᵢ‖·‖Σ_{j≠i} Xⱼ‖),   Xᵢ = Δᵢ clipped to the median norm
 *
 * Two vectors of d values without anything in common have a cosine of 0 ± 1/√d, so one below −6/√d is no chance; honest
 * peers, who descend one loss, are near 0 or above. Clipped first, because one long vector would turn the sum, and with
 * it everybody else's cosine, its own way. It sees who undoes the others' work; noise and what hides below the threshold
 * it does not see: against those there is the rule.
 *
 * One pass over `MOST_VALUES` values at most, spread over the whole model: then the threshold is near −0.02. Which
 * values follows from all norms, so nobody knows them before everybody has contributed.
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

export interface SeenCosines {
  /** One for each contribution, in order. */
  readonly cosines: readonly number[];
  /** Below it, a contribution pulls against the others. */
  readonly threshold: number;
}

/** Compares each with all others; null if there are too few to tell who is the odd one. */
export function screenOf(pulls: readonly Pull[]): SeenCosines | null {
  if (pulls.length < LEAST_COUNT) return null;
  const norms = pulls.map(({ norm }) => norm), clips = clipsToMedian(norms), { length } = pulls[0]!.vector;
  const rows = pulls.map(() => new Float64Array(STRETCH)), sum = new Float64Array(STRETCH);
  const own = pulls.map(() => 0), withSum = pulls.map(() => 0);
  let sumSquared = 0;
  for (const start of stretchesOf(length, norms)) {
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

/**
 * Indices of those below the threshold, the lowest first; never as much as a third of all, because then it is no longer
 * clear who stands against whom.
 */
export function mostOpposed({ cosines, threshold }: SeenCosines): number[] {
  return [...cosines.keys()]
    .filter((i) => cosines[i]! < threshold)
    .sort((a, b) => cosines[a]! - cosines[b]! || a - b)
    .slice(0, Math.floor((cosines.length - 1) / 3));
}

/** Where the stretches begin that are looked at: all of them, or one of each of as many equal parts as allowed. */
function stretchesOf(length: number, norms: readonly number[]): number[] {
  const count = Math.ceil(length / STRETCH);
  if (count <= MOST_STRETCHES) return Array.from({ length: count }, (_, i) => i * STRETCH);
  let state = new Uint32Array(Float64Array.from(norms).buffer).reduce((mixed, word) => mix(mixed ^ word), 0);
  return Array.from({ length: MOST_STRETCHES }, (_, i) => {
    const start = Math.floor(i * count / MOST_STRETCHES), end = Math.floor((i + 1) * count / MOST_STRETCHES);
    state = mix(state + 1);
    return (start + state % (end - start)) * STRETCH;
  });
}

/** Scatters 32 bits over 32 bits (the finaliser of MurmurHash3). */
function mix(word: number): number {
  let bits = word >>> 0;
  bits = Math.imul(bits ^ (bits >>> 16), 0x85ebca6b);
  bits = Math.imul(bits ^ (bits >>> 13), 0xc2b2ae35);
  return (bits ^ (bits >>> 16)) >>> 0;
}
