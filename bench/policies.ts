/**
 * Does adapting the batch help? One run under each policy, on unequal machines; figures after equal tokens.
 *
 * Policies begin with the small batch and may go as far as the large one. Constant batches are what they are compared
 * with: the small one, the large one, and one between, since a policy that is on average between them must beat that.
 * Each has its own best learning rate of the grid; as a batch grows, the rate follows its square root.
 *
 * A spike is a state that is worse, held out, than the best before it by more than 1 %.
 * @module
 */
import type { RunConfig } from "../runtime/config.ts";
import { meanOf } from "./proof/compare.ts";
import { secondsAt, spikeCount, stepsAt } from "./proof/course.ts";
import { lossFigures, meanOver, proofBench, tuned } from "./proof/proof_bench.ts";
import { LEARNING_RATES, machines, proofRun, TOKENS } from "./proof/setting.ts";
import { AS_PRODUCT } from "./proof/trial.ts";

const SMALL = 8, BETWEEN = 24, LARGE = 64;
const LIMITS = { most: LARGE, ceiling: null } as const;
const NORM_TEST = { policy: "norm-test", eta: 0.7, estimator: "debiased", ...LIMITS } as const;
const SPEEDS = machines(8, 4, 2, 1);

interface Way {
  readonly name: string;
  readonly batch: number;
  readonly batching?: RunConfig["batching"];
}

const WAYS: readonly Way[] = [
  { name: `constant ${SMALL}`, batch: SMALL },
  { name: `constant ${BETWEEN}`, batch: BETWEEN },
  { name: `constant ${LARGE}`, batch: LARGE },
  {
    name: "warm-up",
    batch: SMALL,
    batching: { policy: "warmup", to: LARGE, tokens: TOKENS / 2, shape: "doubling", ...LIMITS },
  },
  { name: "norm test, halves", batch: SMALL, batching: { ...NORM_TEST, statistic: "halves" } },
  { name: "norm test, peers", batch: SMALL, batching: { ...NORM_TEST, statistic: "peers" } },
  { name: "inner product", batch: SMALL, batching: { policy: "inner-product", theta: 0.5, nu: 1, ...LIMITS } },
];

export const policiesBench = proofBench({
  name: "policies",
  question: `does a batch that grows from ${SMALL} to at most ${LARGE} sequences learn better or in fewer steps?`,
  trials: (seed) =>
    WAYS.flatMap(({ name, batch, batching }) =>
      LEARNING_RATES.map((learningRate) => ({
        ...AS_PRODUCT,
        name,
        config: proofRun({ seed, learningRate, batch, ...(batching && { batching }) }),
        speeds: SPEEDS,
      }))
    ),
  lines(finished) {
    const ways = tuned(finished), constants = ways.filter(({ name }) => name.startsWith("constant"));
    const best = constants.reduce((best, one) => meanOf(one.losses) < meanOf(best.losses) ? one : best);
    return ways.map((way) => ({
      ...lossFigures(way, best),
      against: best.name,
      steps: meanOver(way, ({ course }) => stepsAt(course, TOKENS), 0),
      seconds: meanOver(way, ({ course }) => secondsAt(course, TOKENS), 1),
      spikes: meanOver(way, ({ course }) => spikeCount(course), 1),
      lastBatch: meanOver(way, ({ course }) => course.batch.at(-1)!, 1),
    }));
  },
});
