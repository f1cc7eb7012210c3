/**
 * From what the offers of one record measured to one statistic of the record, and from those to the noise of the run.
 *
 * A liar may report any figures, so none is averaged over peers: each is the median of what was offered, weighted by
 * tests × tokens up to the median of those weights. Over time variance and signal are averaged each, since the mean of
 * their ratio is biased: the noise scale is the ratio of means (McCandlish et al. 2018, arXiv 1812.06162, appendix A).
 * @module
 */
import { LARGEST_NOISE } from "../offer.ts";
import type { GradientSketch, GradientStatistics, Noise, NormTestChoice, Offer } from "../types.ts";

/** Inner steps between two tests: the step of all averages over time. */
export const TEST_STEPS = 20;
/** Share of the mean that one test leaves. */
const KEPT = 0.9;
/** No more tests of one record are told apart: by then nothing is left of what was before. */
const MOST_TESTS = 100;
/** Most that the length of a sketch and its sequences count, in medians of the sketches it is compared with. */
const CAP_MEDIANS = 2;

export type RecordStatistic = Pick<Noise, "variance" | "signal" | "along">;

/** What the offers say that were trained on the state before this record; null if nobody, or too few, measured. */
export function statisticOf(
  fresh: readonly Offer[],
  statistic: NormTestChoice["statistic"],
): RecordStatistic | null {
  const offers = fresh.flatMap(({ noise, tokens }) => noise === null || tokens === 0 ? [] : [{ noise, tokens }]);
  if (offers.length === 0) return null;
  // No weight is above the median's, so liars decide nothing before they are half of all.
  const weights = capped(offers.map(({ noise, tokens }) => noise.tests * tokens), 1);
  const figure = (of: (noise: GradientStatistics) => number) =>
    weightedMedian(offers.map(({ noise }, i) => ({ value: of(noise), weight: weights[i]! })));
  const along = figure((noise) => noise.along);
  if (statistic === "halves") {
    return {
      variance: figure(({ variance }) => variance),
      signal: figure(({ signal }) => signal),
      along,
    };
  }
  const across = acrossPeers(offers.flatMap(({ noise: { sketch } }) => sketch ?? []));
  return across && { ...across, along };
}

/** Steps of a record: what a member in the middle made, the lower of two. */
export function stepsOf(fresh: readonly Offer[]): number {
  return lowerMedian(fresh.filter(({ tokens }) => tokens > 0).map(({ steps }) => steps));
}

/** The noise of the run after a record with this statistic: the mean of the first tests, then one that forgets. */
export function averaged(noise: Noise | null, found: RecordStatistic, steps: number): Noise {
  const tests = Math.max(1, Math.min(MOST_TESTS, Math.floor(steps / TEST_STEPS)));
  if (noise === null) return { ...found, tests };
  let kept = 1;
  for (let i = 0; i < tests; i++) kept *= KEPT;
  const share = Math.max(1 - kept, tests / (noise.tests + tests));
  const mean = (of: (figures: RecordStatistic) => number) => (1 - share) * of(noise) + share * of(found);
  return {
    tests: noise.tests + tests,
    variance: mean(({ variance }) => variance),
    signal: mean(({ signal }) => signal),
    along: mean(({ along }) => along),
  };
}

/**
 * DDP-Norm, from the sketches of at least two peers: with ḡ the mean of their gradients g_j of m_j sequences each,
 * tr Σ = Σ m_j |g_j − ḡ|² / (J − 1), and |ḡ|² is |G|² + tr Σ / Σ m_j on average. A sketch longer than twice the median
 * is shortened to that, and one of nothing but zeros says nothing.
 */
function acrossPeers(sketches: readonly GradientSketch[]): Pick<Noise, "variance" | "signal"> | null {
  const said = sketches.map((sketch) => ({ sequences: sketch.sequences, values: decode(sketch) }))
    .map((sketch) => ({ ...sketch, length: Math.sqrt(squaredNorm(sketch.values)) }))
    .filter(({ length }) => length > 0);
  if (said.length < 2) return null;
  const longest = CAP_MEDIANS * lowerMedian(said.map(({ length }) => length));
  const gradients = said.map(({ values, length }) =>
    length <= longest ? values : values.map((value) => value * longest / length)
  );
  const sizes = capped(said.map(({ sequences }) => sequences), CAP_MEDIANS), all = sum(sizes);
  const mean = gradients[0]!.map((_, i) => sum(gradients.map((values, j) => sizes[j]! * values[i]!)) / all);
  const spread = gradients.map((values, j) => sizes[j]! * squaredNorm(values.map((value, i) => value - mean[i]!)));
  const variance = sum(spread) / (said.length - 1), signal = squaredNorm(mean) - variance / all;
  return {
    variance: Math.min(variance, LARGEST_NOISE),
    signal: Math.max(-LARGEST_NOISE, Math.min(signal, LARGEST_NOISE)),
  };
}

function decode({ codes, exponent }: GradientSketch): readonly number[] {
  let scale = 1;
  for (let i = 0; i < Math.abs(exponent); i++) scale *= exponent < 0 ? 0.5 : 2;
  return Array.from(codes, (code) => (code < 128 ? code : code - 256) * scale);
}

/** Half of the weight lies below it, and half above; between two values, if it falls between them. */
function weightedMedian(values: readonly { readonly value: number; readonly weight: number }[]): number {
  const sorted = values.toSorted((a, b) => a.value - b.value), half = sum(sorted.map(({ weight }) => weight)) / 2;
  let below = 0;
  for (const [i, { value, weight }] of sorted.entries()) {
    below += weight;
    if (below > half) return value;
    if (below === half) return (value + (sorted[i + 1]?.value ?? value)) / 2;
  }
  return sorted.at(-1)!.value; // rounding left the sum below its own half
}

function capped(weights: readonly number[], medians: number): readonly number[] {
  const cap = medians * lowerMedian(weights);
  return weights.map((weight) => Math.min(weight, cap));
}

function lowerMedian(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor((values.length - 1) / 2)] ?? 0;
}

function squaredNorm(values: readonly number[]): number {
  return sum(values.map((value) => value * value));
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
