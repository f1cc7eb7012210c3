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
import type { FoldLoops } from "./fold_loops.ts";
import { type OuterRates, outerStep } from "./outer.ts";
import { type Gram, GRAM_STRETCH, pairCount } from "./robust/gram.ts";
import type { Combination } from "./robust/rule.ts";
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

export interface WorkOptions {
  /** Opens a part of the fold; those that do not decode are in no task. */
  readonly vectorAt: (part: number) => EncodedVector;
  readonly loops: FoldLoops;
}

/** What does one item of a task. */
export function workOf(task: FoldTask, { vectorAt, loops }: WorkOptions): (item: number) => void {
  switch (task.kind) {
    case "norms": {
      const { parts, squares } = task;
      return (item) => squares[item] = loops.normSquared(vectorAt(parts[item]!));
    }
    case "products":
      return productsOf(task, { vectors: task.parts.map(vectorAt), loops });
    case "step":
      return stepOf(task, { vectors: task.pulls.map(({ part }) => vectorAt(part)), loops });
    default:
      return task satisfies never;
  }
}

/** Of the parts that the task is about, in its order. */
interface OwnParts extends Pick<WorkOptions, "loops"> {
  readonly vectors: readonly EncodedVector[];
}

type TaskOf<Kind extends FoldTask["kind"]> = Extract<FoldTask, { kind: Kind }>;

function productsOf({ starts, products }: TaskOf<"products">, { vectors, loops }: OwnParts): (item: number) => void {
  const pairs = pairCount(vectors.length), length = vectors[0]?.length ?? 0;
  const decoders = vectors.map((vector) => loops.adderOf([vector], [1]));
  const rooms = loops.rooms(vectors.length, GRAM_STRETCH);
  return (item) => {
    const start = starts[item]!, count = Math.min(GRAM_STRETCH, length - start);
    const rows = rooms.map((room) => room.subarray(0, count).fill(0));
    decoders.forEach((decode, i) => decode(rows[i]!, start));
    loops.products(rows, products.subarray(item * pairs, (item + 1) * pairs));
  };
}

function stepOf(
  { pulls, gram, outer, weights, momentum }: TaskOf<"step">,
  { vectors, loops }: OwnParts,
): (item: number) => void {
  const all = pulls.map(({ norm, weight }, i) => ({ vector: vectors[i]!, norm, weight }));
  const made: Combination = all.length > 0 ? rules[outer.robust].begin(all, gram) : { kind: "sum", shares: [] };
  const combine = made.kind === "sum" ? loops.adderOf(vectors, made.shares) : made.combine;
  const stretch = loops.rooms(1, STRETCH)[0]!;
  return (item) => {
    const start = item * STRETCH, end = Math.min(start + STRETCH, weights.length);
    const mean = stretch.subarray(0, end - start).fill(0), momentumThere = momentum?.subarray(start, end) ?? null;
    combine(mean, start);
    outerStep({ weights: weights.subarray(start, end), momentum: momentumThere, mean }, outer);
  };
}
