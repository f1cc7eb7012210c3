/**
 * How contributions become one pseudo-gradient A: the interface of fold rules (`rules.ts` is the table of all of them).
 *
 * A rule is told what it must know of whole vectors once (`begin`), and says each one's share of A, or writes A itself,
 * a stretch of values at a time, so no contribution is ever decoded whole. What it does must give the same bits on every machine: + − × ÷ √ on f64, sums in
 * the order of the parts and of the values. It knows no model, codec or outer step, and need not guard itself: parts
 * are finite, of one length, not zero and of positive weight, and there is at least one.
 * @module
 */
import type { OuterConfig } from "../../config.ts";
import type { EncodedVector } from "../codec/codec.ts";
import type { Gram } from "./gram.ts";

export type RuleName = OuterConfig["robust"];

/** One contribution that pulls. */
export interface Pull {
  readonly vector: EncodedVector;
  /** Euclidean. */
  readonly norm: number;
  /** Capped tokens × age discount. */
  readonly weight: number;
}

export interface FoldRule {
  readonly name: RuleName;
  /** Whether it goes by the inner products of the contributions. */
  readonly needsGram: boolean;
  /** @param gram The contributions' inner products over all values, if the rule needs them. */
  begin(pulls: readonly Pull[], gram: Gram | null): Combination;
}

/** What a rule makes of contributions. */
export type Combination =
  /** Σ shareᵢ·Δᵢ, as most rules do: whoever folds adds them. */
  | { readonly kind: "sum"; readonly shares: readonly number[] }
  | { readonly kind: "values"; readonly combine: Combine };

/** Writes the values of A from `start` on into all of `into`. */
export type Combine = (into: Float64Array, start: number) => void;

/** Each weight as its share of all of them. */
export function sharesOf(pulls: readonly Pull[]): number[] {
  const total = totalWeight(pulls);
  return pulls.map(({ weight }) => weight / total);
}

export function totalWeight(pulls: readonly Pull[]): number {
  return pulls.reduce((sum, { weight }) => sum + weight, 0);
}

/** The middle one, or the mean of the two in the middle. */
export function medianOf(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b), middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}
