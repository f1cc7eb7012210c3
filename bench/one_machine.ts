/**
 * What is lost to one machine? Eight unequal peers against one peer, after equal tokens: at the same global batch, which
 * is what synchronous data parallelism would give, and at the one peer's own best batch; and what closes the gap.
 *
 * One peer is as fast as the eight together. With f32 contributions, outer rate 1 and no momentum its rounds change
 * nothing: it is plain AdamW.
 * @module
 */
import { meanOf } from "./proof/compare.ts";
import { secondsAt, stepsAt } from "./proof/course.ts";
import { lossFigures, meanOver, proofBench, rounded, type Tuned, tuned } from "./proof/proof_bench.ts";
import { BOX_MS, LEARNING_RATES, machines, proofRun, type RunChanges, TOKENS } from "./proof/setting.ts";
import { AS_PRODUCT } from "./proof/trial.ts";

const BATCH = 32;
const ONE = machines(1), EIGHT = machines(8, 8, 4, 4, 2, 2, 1, 1), THREE = machines(1, 1, 1);
const ADAMW = { codec: "f32" } as const;

const HALF = { boxMs: BOX_MS / 2 } as const;
/** After which a peer's steps count for 1 / (1 − momentum) of what they are. */
const MOMENTA = [0.5, 0.65, 0.8] as const;

interface Way {
  readonly name: string;
  readonly speeds: typeof ONE;
  readonly changes: Pick<RunChanges, "batch"> & Partial<RunChanges>;
}

const SAME_BATCH = `one peer, batch ${BATCH}`;

const WAYS: readonly Way[] = [
  { name: SAME_BATCH, speeds: ONE, changes: { batch: BATCH, outer: ADAMW } },
  { name: "one peer, batch 16", speeds: ONE, changes: { batch: 16, outer: ADAMW } },
  { name: "one peer, batch 8", speeds: ONE, changes: { batch: 8, outer: ADAMW } },
  { name: `eight peers, batch ${BATCH}`, speeds: EIGHT, changes: { batch: BATCH } },
  { name: "three equal peers", speeds: THREE, changes: { batch: BATCH } },
  { name: "eight peers, batch 16", speeds: EIGHT, changes: { batch: 16 } },
  { name: "eight peers, boxes half as long", speeds: EIGHT, changes: { batch: BATCH, ...HALF } },
  ...MOMENTA.map((momentum): Way => ({
    name: `eight peers, momentum ${momentum}`,
    speeds: EIGHT,
    changes: { batch: BATCH, outer: { momentum } },
  })),
  {
    name: "eight peers, boxes half as long, momentum 0.8",
    speeds: EIGHT,
    changes: { batch: BATCH, ...HALF, outer: { momentum: 0.8 } },
  },
  {
    name: "eight peers, norm test from 16",
    speeds: EIGHT,
    changes: {
      batch: 16,
      batching: {
        ...{ policy: "norm-test", eta: 0.7, statistic: "halves", estimator: "debiased" },
        ...{ most: 2 * BATCH, ceiling: null },
      },
    },
  },
];

export const oneMachineBench = proofBench({
  name: "one-machine",
  question: "what do eight unequal peers lose to one machine of the same tokens?",
  trials: (seed) =>
    WAYS.flatMap(({ name, speeds, changes }) =>
      LEARNING_RATES.map((learningRate) => ({
        ...AS_PRODUCT,
        name,
        config: proofRun({ seed, learningRate, ...changes }),
        speeds,
      }))
    ),
  lines(finished) {
    const ways = tuned(finished), same = ways.find(({ name }) => name === SAME_BATCH)!;
    const alone = ways.filter(({ name }) => name.startsWith("one peer"));
    const best = alone.reduce((best, one) => meanOf(one.losses) < meanOf(best.losses) ? one : best);
    const ratio = (way: Tuned, to: Tuned) => rounded(meanOf(way.losses.map((loss, i) => loss / to.losses[i]!)));
    return ways.map((way) => ({
      ...lossFigures(way, same),
      timesSameBatch: ratio(way, same),
      timesOwnBest: ratio(way, best),
      steps: meanOver(way, ({ course }) => stepsAt(course, TOKENS), 0),
      rounds: meanOver(way, ({ course }) => course.ms.length, 0),
      seconds: meanOver(way, ({ course }) => secondsAt(course, TOKENS), 1),
    }));
  },
});
