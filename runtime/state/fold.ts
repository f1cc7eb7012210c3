/**
 * The fold of one set of weights: the parent's and contributions in, the next ones out, bit for bit the same on every
 * machine. States with several sets are folded set by set (`sets.ts`).
 *
 * Only + − × ÷ √ on f64 and f32, in one order: parts in the order given (peer ids), values from first to last. No GPU
 * and no `Math` function beyond `sqrt` and `fround` takes part, because they may differ. WebAssembly may: without relaxed
 * operations it is as exact as JavaScript, and its loops are held to the bits of the plain ones (`fold_loops.ts`).
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
import { alone, type FoldCrew, type FoldedParts, gramBy } from "./fold_crew.ts";
import type { OuterRates } from "./outer.ts";
import { stretchStarts } from "./robust/gram.ts";
import { rules } from "./robust/rules.ts";
import { screenOf } from "./robust/screen.ts";

export interface FoldInput {
  readonly weights: Float32Array;
  /** Null where the outer momentum is 0. */
  readonly momentum: Float32Array | null;
  /** In the order of peer ids, all of one set. Empty: the weights stay as they are. */
  readonly parts: readonly FoldedPart[];
}

export interface FoldedPart extends Pick<FoldPart, "weight"> {
  readonly bytes: Uint8Array;
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

export interface JudgeOptions extends ContributionForm {
  /** As of a fold. */
  readonly crew?: FoldCrew;
}

export interface FoldOptions extends Omit<ContributionForm, "length"> {
  readonly outer: OuterRates & Pick<OuterConfig, "robust" | "screen">;
  /** The threads that fold; the calling one alone if absent. */
  readonly crew?: FoldCrew;
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

/**
 * Largest root mean square of a contribution's values. Weights of trained networks are below 100, so nobody moves all of
 * them by a thousand in one round; and what is below cannot make a fold overflow.
 */
const LARGEST_RMS = 1024;

/** Folds in place: `input.weights` and `input.momentum` become the next ones, and are what is returned. */
export function fold(input: FoldInput, { outer, crew = alone, ...form }: FoldOptions): Folded {
  const { weights, momentum, parts } = input, { length } = weights;
  const { folded, verdicts } = judgeAll(parts.map(({ bytes }) => bytes), { ...form, length, crew });
  const weighed = verdicts.map((one, part) => {
    const { weight } = parts[part]!;
    return one.valid && weight > 0 ? { part, norm: one.norm, weight } : null;
  });
  if (weighed.every((one) => one === null)) return { weights, momentum, verdicts, screen: null };

  const pulls = weighed.map((one) => one !== null && one.norm > 0 ? one : null);
  const pulling = pulls.filter((pull) => pull !== null);
  const gramOver = (some: typeof pulling, starts: readonly number[]) =>
    gramBy(crew, { parts: folded, of: some.map(({ part }) => part), starts });
  const norms = pulling.map(({ norm }) => norm);
  const seen = screenOf({ norms, length, gramOver: (starts) => gramOver(pulling, starts) });
  const opposed = seen === null || outer.screen === "log" ? [] : seen.opposed.map((i) => pulling[i]!);
  const kept = pulling.filter((pull) => !opposed.includes(pull));
  const needsGram = kept.length > 0 && rules[outer.robust].needsGram;
  const gram = needsGram ? gramOver(kept, stretchStarts(length)) : null;
  crew.run({ kind: "step", pulls: kept, gram, outer, weights, momentum }, folded);
  const screen = seen && {
    thresholds: parts.map(() => seen.threshold),
    cosines: pulls.map((pull) => pull && seen.cosines[pulling.indexOf(pull)]!),
    dropped: opposed.map((pull) => pulls.indexOf(pull)),
  };
  return { weights, momentum, verdicts, screen };
}

/** Reads a contribution once: does it decode to finite values for this model, and what is its Euclidean norm? */
export function judge(bytes: Uint8Array, { crew = alone, ...form }: JudgeOptions): PartVerdict {
  return judgeAll([bytes], { ...form, crew }).verdicts[0]!;
}

function judgeAll(
  bytes: readonly Uint8Array[],
  { crew, ...form }: ContributionForm & { readonly crew: FoldCrew },
): { readonly folded: FoldedParts; readonly verdicts: readonly PartVerdict[] } {
  const { codec, length } = form;
  crew.begin({ bytes, length });
  const opened = bytes.map((one) => codec.open(one, length));
  const folded = { bytes, vectors: opened.map((one) => one.ok ? one.vector : null), length };
  const parts = [...opened.keys()].filter((part) => opened[part]!.ok), squares = crew.numbers(parts.length);
  if (parts.length > 0) crew.run({ kind: "norms", parts, squares }, folded);
  const verdicts = opened.map((one, part): PartVerdict =>
    one.ok
      ? verdictOn(one.vector, { ...form, norm: Math.sqrt(squares[parts.indexOf(part)]!) })
      : { valid: false, reason: one.reason }
  );
  return { folded, verdicts };
}

function verdictOn(
  vector: EncodedVector,
  { norm, length, padding }: Omit<ContributionForm, "codec"> & { readonly norm: number },
): PartVerdict {
  if (!Number.isFinite(norm)) return { valid: false, reason: "has values that are not finite" };
  const largest = LARGEST_RMS * Math.sqrt(length);
  if (norm > largest) {
    return { valid: false, reason: `has the norm ${norm.toPrecision(3)}, no training makes ${largest.toPrecision(3)}` };
  }
  const stray = padding.find((range) => !isZero(vector, range));
  if (stray !== undefined) {
    return { valid: false, reason: `has values from ${stray.start} on, where the model has padding` };
  }
  return { valid: true, norm };
}

function isZero(vector: EncodedVector, { start, end }: Range): boolean {
  const values = new Float64Array(end - start);
  vector.addTo(values, { start, share: 1 });
  return values.every((value) => value === 0);
}
