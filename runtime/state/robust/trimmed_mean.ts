/**
 * Coordinate by coordinate: the ⌊n/4⌋ largest and smallest values are dropped, the others averaged by weight.
 *
 * Yin et al. 2018, arXiv 1803.01498, definition 2, with weights. Trimming counts heads: whoever is of little weight may
 * still push another one out. From three contributions on at least one is dropped at each end; of one or two this is
 * the mean. Poor with sparse codecs: where most values are zero, what a few peers sent is what is trimmed.
 *
 * One pass, in which all n contributions are decoded at once, a stretch each; n²/4 comparisons a value.
 * @module
 */
import type { Combine, FoldRule, Pull } from "./rule.ts";

export const trimmedMean: FoldRule = {
  name: "trimmed-mean",
  needsGram: false,
  begin(pulls) {
    const trimmed = pulls.length < 3 ? 0 : Math.max(1, pulls.length >> 2);
    return { kind: "values", combine: trimming(pulls, trimmed) };
  },
};

/** The rule for any number trimmed at each end, less than half of the contributions. */
export function trimming(pulls: readonly Pull[], trimmed: number): Combine {
  const count = pulls.length, weights = pulls.map(({ weight }) => weight);
  const values = new Float64Array(count), order = new Uint32Array(count);
  let rows: Float64Array[] = [];
  return (into, start) => {
    if (rows[0]?.length !== into.length) rows = pulls.map(() => new Float64Array(into.length));
    pulls.forEach(({ vector }, i) => vector.addTo(rows[i]!.fill(0), { start, share: 1 }));
    for (let at = 0; at < into.length; at++) {
      // Sorted by insertion; equal values stay in the order of the parts, so that all drop the same ones.
      for (let i = 0; i < count; i++) {
        const value = rows[i]![at]!;
        let to = i;
        for (; to > 0 && values[to - 1]! > value; to--) {
          values[to] = values[to - 1]!;
          order[to] = order[to - 1]!;
        }
        values[to] = value;
        order[to] = i;
      }
      let sum = 0, total = 0;
      for (let i = trimmed; i < count - trimmed; i++) {
        const weight = weights[order[i]!]!;
        sum += weight * values[i]!;
        total += weight;
      }
      into[at] = sum / total;
    }
  };
}
