/**
 * The fold: parent weights and contributions in, the next weights out, bit for bit the same on every machine.
 *
 * Only + − × ÷ √ on f64 and f32, in one order: parts in the order given (peer ids), values from first to last. No
 * WebAssembly, no GPU and no `Math` function beyond `sqrt` and `fround` takes part, because they may differ.
 *
 *  1. Drop what does not decode or is not finite; the others' weights are normalised over those that remain.
 *  2. Clip each to the median norm (`robust.ts`).
 *  3. A = Σ wᵢ·Δᵢ / Σ wᵢ.
 *  4. The outer step (`outer.ts`).
 *
 * Contributions are read twice (norms, then sums), one stretch of values at a time and never decoded whole, so memory
 * does not grow with the number of peers.
 * @module
 */
import type { FoldPart } from "../../p2p/learner.ts";
import type { Range } from "../../p2p/sync/types.ts";
import type { Codec, EncodedVector } from "./codec/codec.ts";
import { type OuterRates, outerStep } from "./outer.ts";
import { clipsToMedian } from "./robust.ts";

export interface FoldInput {
  readonly weights: Float32Array;
  /** Null where the outer momentum is 0. */
  readonly momentum: Float32Array | null;
  /** In the order of peer ids. Empty: the weights stay as they are. */
  readonly parts: readonly FoldPart[];
}

/** How contributions of a run are read. */
export interface ContributionForm {
  /** One codec, or all (`anyCodec`). */
  readonly codec: Pick<Codec, "open">;
  /** Values in a contribution. */
  readonly length: number;
  /** Where the arena has padding, which must stay zero. */
  readonly padding: readonly Range[];
}

export interface FoldOptions extends Omit<ContributionForm, "length"> {
  readonly outer: OuterRates;
}

export interface Folded {
  readonly weights: Float32Array;
  readonly momentum: Float32Array | null;
  /** One for each part: its norm, or why it was dropped. */
  readonly verdicts: readonly PartVerdict[];
}

export type PartVerdict =
  | { readonly valid: true; readonly norm: number }
  | { readonly valid: false; readonly reason: string };

/** Values worked on at a time: 32 KiB of f64, a core's nearest cache. */
const STRETCH = 4096;

/** Folds in place: `input.weights` and `input.momentum` become the next ones, and are what is returned. */
export function fold(input: FoldInput, { outer, ...form }: FoldOptions): Folded {
  const { weights, momentum, parts } = input;
  const judged = parts.map(({ bytes, weight }) => ({ ...judge(bytes, { ...form, length: weights.length }), weight }));
  const valid = judged.filter((part) => part.valid);
  const verdicts = judged.map((part) =>
    part.valid ? { valid: true, norm: part.norm } as const : { valid: false, reason: part.reason } as const
  );
  const total = valid.reduce((sum, { weight }) => sum + weight, 0);
  if (!(total > 0)) return { weights, momentum, verdicts };

  const clips = clipsToMedian(valid.map(({ norm }) => norm));
  const shares = valid.map(({ weight }, i) => clips[i]! * weight / total);
  const stretch = new Float64Array(STRETCH);
  for (let start = 0; start < weights.length; start += STRETCH) {
    const end = Math.min(start + STRETCH, weights.length);
    const mean = stretch.subarray(0, end - start).fill(0);
    valid.forEach(({ vector }, i) => vector.addTo(mean, { start, share: shares[i]! }));
    outerStep({
      weights: weights.subarray(start, end),
      momentum: momentum?.subarray(start, end) ?? null,
      mean,
    }, outer);
  }
  return { weights, momentum, verdicts };
}

export type Judged =
  | { readonly valid: true; readonly norm: number; readonly vector: EncodedVector }
  | { readonly valid: false; readonly reason: string };

/** Reads a contribution once: does it decode to finite values for this model, and what is its Euclidean norm? */
export function judge(bytes: Uint8Array, { codec, length, padding }: ContributionForm): Judged {
  const opened = codec.open(bytes, length);
  if (!opened.ok) return { valid: false, reason: opened.reason };
  const { vector } = opened, norm = Math.sqrt(vector.normSquared());
  if (!Number.isFinite(norm)) return { valid: false, reason: "has values that are not finite" };
  const stray = padding.find((range) => !isZero(vector, range));
  if (stray !== undefined) {
    return { valid: false, reason: `has values from ${stray.start} on, where the model has padding` };
  }
  return { valid: true, norm, vector };
}

function isZero(vector: EncodedVector, { start, end }: Range): boolean {
  const values = new Float64Array(end - start);
  vector.addTo(values, { start, share: 1 });
  return values.every((value) => value === 0);
}
