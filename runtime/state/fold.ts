/**
 * The fold of one set of weights: the parent's and contributions in, the next ones out, bit for bit the same on every
 * machine. States with several sets are folded set by set (`sets.ts`).
 *
 * Only + − × ÷ √ on f64 and f32, in one order: parts in the order given (peer ids), values from first to last. No
 * WebAssembly, no GPU and no `Math` function beyond `sqrt` and `fround` takes part, because they may differ.
 *
 *  1. Drop what does not decode, is not finite or absurdly long, and leave out what is zero; the others' weights are
 *     normalised over those that remain.
 *  2. Screen them: leave out, or only tell of, those that pull against all others (`robust/screen.ts`).
 *  3. Make one pseudo-gradient A of them, by the run's rule (`robust/rules.ts`).
 *  4. The outer step (`outer.ts`).
 *
 * Contributions are read at least twice (norms, then sums), one stretch of values at a time and never decoded whole, so
 * memory hardly grows with the number of peers.
 * @module
 */
import type { FoldPart, Screen } from "../../p2p/learner.ts";
import type { Range } from "../../p2p/sync/types.ts";
import type { OuterConfig } from "../config.ts";
import type { Codec, EncodedVector } from "./codec/codec.ts";
import { type OuterRates, outerStep } from "./outer.ts";
import type { Combine } from "./robust/rule.ts";
import { rules } from "./robust/rules.ts";
import { screenOf } from "./robust/screen.ts";

export interface FoldInput {
  readonly weights: Float32Array;
  /** Null where the outer momentum is 0. */
  readonly momentum: Float32Array | null;
  /** In the order of peer ids, all of one set. Empty: the weights stay as they are. */
  readonly parts: readonly Pick<FoldPart, "bytes" | "weight">[];
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
  readonly outer: OuterRates & Pick<OuterConfig, "robust" | "screen">;
}

export interface Folded {
  readonly weights: Float32Array;
  readonly momentum: Float32Array | null;
  /** One for each part: its norm, or why it was dropped. */
  readonly verdicts: readonly PartVerdict[];
  /** Null if too few parts pulled to compare them. */
  readonly screen: Screen | null;
}

export type PartVerdict =
  | { readonly valid: true; readonly norm: number }
  | { readonly valid: false; readonly reason: string };

/** Values worked on at a time: 32 KiB of f64, a core's nearest cache. */
const STRETCH = 4096;

/**
 * Largest root mean square of a contribution's values. Weights of trained networks are below 100, so nobody moves all of
 * them by a thousand in one round; and what is below cannot make a fold overflow.
 */
const LARGEST_RMS = 1024;

/** Folds in place: `input.weights` and `input.momentum` become the next ones, and are what is returned. */
export function fold(input: FoldInput, { outer, ...form }: FoldOptions): Folded {
  const { weights, momentum, parts } = input;
  const judged = parts.map(({ bytes }) => judge(bytes, { ...form, length: weights.length }));
  const verdicts = judged.map((part) =>
    part.valid ? { valid: true, norm: part.norm } as const : { valid: false, reason: part.reason } as const
  );
  const weighed = judged.map((part, i) =>
    part.valid && parts[i]!.weight > 0 ? { ...part, weight: parts[i]!.weight } : null
  );
  if (weighed.every((part) => part === null)) return { weights, momentum, verdicts, screen: null };

  const pulls = weighed.map((part) => part !== null && part.norm > 0 ? part : null);
  const pulling = pulls.filter((pull) => pull !== null);
  const seen = screenOf(pulling);
  const opposed = seen === null || outer.screen === "log" ? [] : seen.opposed.map((i) => pulling[i]!);
  const kept = pulling.filter((pull) => !opposed.includes(pull));
  const combine: Combine = kept.length > 0 ? rules[outer.robust].begin(kept) : (into) => into.fill(0);
  const stretch = new Float64Array(STRETCH);
  for (let start = 0; start < weights.length; start += STRETCH) {
    const end = Math.min(start + STRETCH, weights.length);
    const mean = stretch.subarray(0, end - start);
    combine(mean, start);
    outerStep({
      weights: weights.subarray(start, end),
      momentum: momentum?.subarray(start, end) ?? null,
      mean,
    }, outer);
  }
  const screen = seen && {
    thresholds: parts.map(() => seen.threshold),
    cosines: pulls.map((pull) => pull && seen.cosines[pulling.indexOf(pull)]!),
    dropped: opposed.map((pull) => pulls.indexOf(pull)),
  };
  return { weights, momentum, verdicts, screen };
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
  const largest = LARGEST_RMS * Math.sqrt(length);
  if (norm > largest) {
    return { valid: false, reason: `has the norm ${norm.toPrecision(3)}, no training makes ${largest.toPrecision(3)}` };
  }
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
