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
 * One pass over `MOST_VALUES` values at most, spread over the whole model: then the threshold is near −0.03. Which
 * values follows from all norms, so nobody knows them before everybody has contributed.
 * @module
 */
import { type Gram, GRAM_STRETCH as STRETCH } from "./gram.ts";
import { clipsToMedian } from "./median_clip.ts";

/** With three, the two that a hostile one stands against may as well be the hostile ones. */
const LEAST_COUNT = 4;
const DEVIATIONS = 6;
const MOST_STRETCHES = 32;
const MOST_VALUES = STRETCH * MOST_STRETCHES;

export interface SeenCosines {
  /** One for each contribution, in order: to the sum of all others but the opposed. */
  readonly cosines: readonly number[];
  /** Below it, a contribution pulls against the others. */
  readonly threshold: number;
  /**
   * Indices of those that stood lowest below it, one after the other; never as much as a third of all, because then it
   * is no longer clear who stands against whom.
   */
  readonly opposed: readonly number[];
}

export interface ScreenedContributions {
  /** Of each, above 0. */
  readonly norms: readonly number[];
  /** Values of each. */
  readonly length: number;
  /** Their inner products over the stretches of values that begin at `starts`. */
  gramOver(starts: readonly number[]): Gram;
}

/** Compares each with all others; null if there are too few to tell who is the odd one. */
export function screenOf({ norms, length, gramOver }: ScreenedContributions): SeenCosines | null {
  if (norms.length < LEAST_COUNT) return null;
  const clips = clipsToMedian(norms), products = gramOver(stretchesOf(length, norms));
  const gram = products.map((row, i) => row.map((product, j) => clips[i]! * clips[j]! * product));
  const threshold = -DEVIATIONS / Math.sqrt(Math.min(length, MOST_VALUES));
  const opposed: number[] = [], most = Math.floor((norms.length - 1) / 3);
  for (;;) {
    // Whoever is opposed bends the sum that the others are compared with, so all are compared anew without it.
    const cosines = cosinesOf(gram, opposed);
    const lowest = Math.min(...cosines.filter((_, i) => !opposed.includes(i)));
    if (lowest >= threshold || opposed.length === most) return { cosines, threshold, opposed };
    opposed.push(cosines.findIndex((cosine, i) => cosine === lowest && !opposed.includes(i)));
  }
}

/** Cosine of each to the sum of all others that are not left out; 0 where one of the two has no length. */
function cosinesOf(gram: Gram, leftOut: readonly number[]): number[] {
  const kept = [...gram.keys()].filter((i) => !leftOut.includes(i));
  const withSum = gram.map((row) => kept.reduce((sum, j) => sum + row[j]!, 0));
  const sumSquared = kept.reduce((sum, j) => sum + withSum[j]!, 0);
  return gram.map((row, i) => {
    const own = row[i]!, isIn = !leftOut.includes(i);
    const product = isIn ? withSum[i]! - own : withSum[i]!;
    const squared = isIn ? sumSquared - 2 * withSum[i]! + own : sumSquared;
    const lengths = Math.sqrt(own) * Math.sqrt(Math.max(0, squared));
    return lengths > 0 ? product / lengths : 0;
  });
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
