/**
 * The work of a fold, cut into items that do not depend on each other, so that threads can share it: whoever does which
 * item, and in what order, the same bits come out.
 *
 * What a task writes are numbers, in arrays that its threads share. Everything that must be added in one order over
 * items (inner products, stretch by stretch) is written item by item and added by whoever gave the task.
 * @module
 */
import type { OuterConfig } from "../config.ts";
import type { EncodedVector } from "./codec/codec.ts";
import { type OuterRates, outerStep } from "./outer.ts";
import { type Gram, GRAM_STRETCH, pairCount, productsOf } from "./robust/gram.ts";
import type { Combine } from "./robust/rule.ts";
import { rules } from "./robust/rules.ts";

/** Parts are meant by their place in the fold. */
export type FoldTask =
  /** Writes the sum of the squares of each part. */
  | { readonly kind: "norms"; readonly parts: readonly number[]; readonly squares: Float64Array }
  /** Writes for each stretch the inner products of all pairs. */
  | {
    readonly kind: "products";
    readonly parts: readonly number[];
    readonly starts: readonly number[];
    readonly products: Float64Array;
  }
  /** Makes one pseudo-gradient of the parts and takes the outer step with it, in place. */
  | {
    readonly kind: "step";
    /** None: of zeros. */
    readonly pulls: readonly { readonly part: number; readonly norm: number; readonly weight: number }[];
    /** Of the pulls, where the rule needs it. */
    readonly gram: Gram | null;
    readonly outer: OuterRates & Pick<OuterConfig, "robust">;
    readonly weights: Float32Array;
    readonly momentum: Float32Array | null;
  };

/** Values worked on at a time: 32 KiB of f64, a core's nearest cache. */
const STRETCH = 4096;

export function itemCount(task: FoldTask): number {
  switch (task.kind) {
    case "norms":
      return task.parts.length;
    case "products":
      return task.starts.length;
    case "step":
      return Math.ceil(task.weights.length / STRETCH);
    default:
      return task satisfies never;
  }
}

/** What does one item of a task. `vectors` has the fold's parts; those that do not decode are null, and in no task. */
export function workOf(task: FoldTask, vectors: readonly (EncodedVector | null)[]): (item: number) => void {
  switch (task.kind) {
    case "norms": {
      const { parts, squares } = task;
      return (item) => squares[item] = vectors[parts[item]!]!.normSquared();
    }
    case "products": {
      const { parts, starts, products } = task, own = parts.map((part) => vectors[part]!);
      const pairs = pairCount(own.length), decoded = own.map(() => new Float64Array(GRAM_STRETCH));
      return (item) =>
        productsOf(own, { start: starts[item]!, decoded, into: products.subarray(item * pairs, (item + 1) * pairs) });
    }
    case "step":
      return stepOf(task, vectors);
    default:
      return task satisfies never;
  }
}

function stepOf(
  { pulls, gram, outer, weights, momentum }: Extract<FoldTask, { kind: "step" }>,
  vectors: readonly (EncodedVector | null)[],
): (item: number) => void {
  const all = pulls.map(({ part, norm, weight }) => ({ vector: vectors[part]!, norm, weight }));
  const combine: Combine = all.length > 0 ? rules[outer.robust].begin(all, gram) : (into) => into.fill(0);
  const stretch = new Float64Array(STRETCH);
  return (item) => {
    const start = item * STRETCH, end = Math.min(start + STRETCH, weights.length);
    const mean = stretch.subarray(0, end - start);
    combine(mean, start);
    const momentumThere = momentum?.subarray(start, end) ?? null;
    outerStep({ weights: weights.subarray(start, end), momentum: momentumThere, mean }, outer);
  };
}
