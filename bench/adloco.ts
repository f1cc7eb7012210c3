/**
 * Does AdLoCo help? Its ablation: the whole method, the method without each of its parts, the authors' variant of it, and
 * plain DiLoCo, on unequal machines. Figures are after equal tokens, those of all lineages together.
 *
 * Four lineages begin with small batches, and so does the one of a run without instances. Plain DiLoCo has that batch for
 * ever, or what four lineages together begin with, which is also about what the whole method has on average. Each way has
 * its own best learning rate of the grid, and is compared with the whole method: "less" says that a way learns better.
 *
 * So that the switch is thrown, machines hold few sequences at once. Two of its forms are compared with accumulating
 * whatever does not fit: none, where what does not fit is not trained; and the paper's, which differs in nothing but the
 * batch that is executed, once a single lineage is left: as much as fits up to twice of that, full micro-batches above.
 * What launches cost is no part of virtual time, so none of them is faster than another.
 *
 * Losses are of the lineage of highest demand. Rounds are those with work, and so are the ones that were expected after
 * the third (`runtime/communication.ts`).
 * @module
 */
import type { RunConfig } from "../runtime/config.ts";
import { lossAt, secondsAt, stepsAt } from "./proof/course.ts";
import { lossFigures, meanOver, proofBench, tuned } from "./proof/proof_bench.ts";
import { LEARNING_RATES, machines, proofRun, TOKENS } from "./proof/setting.ts";
import { AS_PRODUCT, BALANCED, type Dealing } from "./proof/trial.ts";

const BATCH = 8, LARGEST = 64, LINEAGES = 4;
/** Sequences that fit on each machine at once. */
const FITTING = 8;
const SPEEDS = machines(8, 4, 2, 1).map((speed) => ({ ...speed, largestMicroBatch: FITTING }));
const MIB = 2 ** 20;

type Adloco = Extract<RunConfig["batching"], { policy: "adloco" }>;

const WHOLE: Adloco = {
  policy: "adloco",
  lineages: LINEAGES,
  mergeEvery: 2,
  variant: "corrected",
  test: "norm",
  switch: "accumulate",
  eta: 0.7,
  theta: 0.5,
  nu: 1,
  most: LARGEST,
  ceiling: null,
};

/** As the authors' code. */
const PUBLISHED: Adloco = {
  ...WHOLE,
  variant: "published",
  test: "inner-product",
  switch: "threshold",
  eta: 0.8,
  theta: 0.3,
  nu: 0.3,
};

interface Way {
  readonly name: string;
  readonly batch: number;
  /** Null: as it is. */
  readonly batching: RunConfig["batching"] | null;
  readonly dealing?: Dealing;
}

const without = (changes: Partial<Adloco>) => ({ batch: BATCH, batching: { ...WHOLE, ...changes } });

const WAYS: readonly Way[] = [
  { name: "whole", ...without({}) },
  { name: "without instances", ...without({ lineages: 1 }) },
  { name: "without merging", ...without({ mergeEvery: null }) },
  { name: "without adaptation", ...without({ test: "none" }) },
  { name: "without a switch", ...without({}), dealing: { ...BALANCED, mostBatch: FITTING } },
  { name: "with the paper's switch", ...without({ switch: "threshold" }) },
  { name: "published", batch: BATCH, batching: PUBLISHED },
  { name: `plain DiLoCo, batch ${BATCH}`, batch: BATCH, batching: null },
  { name: `plain DiLoCo, batch ${LINEAGES * BATCH}`, batch: LINEAGES * BATCH, batching: null },
];

export const adlocoBench = proofBench({
  name: "adloco",
  question: "does AdLoCo help, and which part of it?",
  trials: (seed) =>
    WAYS.flatMap(({ name, batch, batching, dealing = BALANCED }) =>
      LEARNING_RATES.map((learningRate) => ({
        ...AS_PRODUCT,
        name,
        config: proofRun({ seed, learningRate, batch, ...(batching && { batching }) }),
        speeds: SPEEDS,
        dealing,
      }))
    ),
  lines(finished) {
    const ways = tuned(finished), whole = ways[0]!;
    return ways.map((way) => ({
      ...lossFigures(way, whole),
      perplexity: meanOver(way, ({ course }) => Math.exp(lossAt(course, TOKENS)), 3),
      steps: meanOver(way, ({ course }) => stepsAt(course, TOKENS), 0),
      rounds: meanOver(way, ({ course }) => course.ms.length, 1),
      expectedRounds: meanOver(way, ({ effort }) => effort.expectedRounds!, 1),
      seconds: meanOver(way, ({ course }) => secondsAt(course, TOKENS), 1),
      contributionMiB: meanOver(way, ({ effort }) => effort.contributionBytes / MIB, 2),
      lastBatch: meanOver(way, ({ course }) => course.batch.at(-1)!, 1),
      lastLineages: meanOver(way, ({ course }) => course.lineages.at(-1)!, 1),
    }));
  },
});
