/**
 * Does balancing help? Machines of speeds 1 : 2 : 4 : 8 train one model to the same loss under four ways of dealing out a
 * round's work; the figure is the virtual time that it takes.
 *
 *  - balanced: local batches in proportion to measured speed, as many inner steps as fit into the box. What peers do.
 *  - equal batch: the same local batch for all, as many steps as fit: fast machines make more steps.
 *  - equal steps: the same local batch and number of steps for all; a round lasts until the slowest is done.
 *  - fixed time: equal batch and steps in a box made for the mean machine: fast ones wait, slow ones are cut off.
 *
 * The product only knows the first; for the others, what a learner is told to do is altered. Contributions pass lines
 * of 10 Mbit/s and 20 ms.
 * @module
 */
import { meanOf } from "./proof/compare.ts";
import { secondsAt, secondsTo, stepsAt } from "./proof/course.ts";
import { lossFigures, meanOver, proofBench, rounded, tuned } from "./proof/proof_bench.ts";
import { BOX_MS, LEARNING_RATES, machines, proofRun, stepMs, TOKENS } from "./proof/setting.ts";
import { AS_PRODUCT, BALANCED, type Dealing } from "./proof/trial.ts";

const BATCH = 32;
const SPEEDS = machines(8, 4, 2, 1);
const MEAN = machines(1, 1, 1, 1)[0]!, SLOWEST = SPEEDS.at(-1)!;
const LINE = { bitsPerSecond: 10e6, delayMs: 20 };
/** Of a box in which all work together. */
const STEPS = Math.round(BOX_MS / stepMs(MEAN, BATCH / SPEEDS.length));

interface Mode {
  readonly name: string;
  readonly dealing: Dealing;
  readonly boxMs: number;
}

const MODES: readonly Mode[] = [
  { name: "balanced", dealing: BALANCED, boxMs: BOX_MS },
  { name: "equal batch", dealing: { batch: "equal", mostBatch: null, mostSteps: null }, boxMs: BOX_MS },
  {
    name: "equal steps",
    dealing: { batch: "equal", mostBatch: null, mostSteps: STEPS },
    boxMs: Math.ceil(STEPS * stepMs(SLOWEST, BATCH / SPEEDS.length)),
  },
  { name: "fixed time", dealing: { batch: "equal", mostBatch: null, mostSteps: STEPS }, boxMs: BOX_MS },
];

export const balanceBench = proofBench({
  name: "balance",
  question: "how long do machines of speeds 1 : 2 : 4 : 8 take to one loss, by how work is dealt out?",
  trials: (seed) =>
    MODES.flatMap(({ name, dealing, boxMs }) =>
      LEARNING_RATES.map((learningRate) => ({
        ...AS_PRODUCT,
        name,
        config: proofRun({ seed, batch: BATCH, learningRate, boxMs }),
        speeds: SPEEDS,
        line: LINE,
        dealing,
      }))
    ),
  lines(finished) {
    const modes = tuned(finished), balanced = modes[0]!;
    // For each seed a loss that every mode comes to, late.
    const targets = balanced.losses.map((_, i) => Math.max(...modes.map(({ losses }) => losses[i]!)));
    const secondsOf = ({ trials }: typeof balanced) => trials.map(({ course }, i) => secondsTo(course, targets[i]!)!);
    const own = secondsOf(balanced);
    return modes.map((mode) => ({
      ...lossFigures(mode, balanced),
      target: rounded(meanOf(targets)),
      secondsToTarget: rounded(meanOf(secondsOf(mode)), 1),
      timesBalanced: rounded(meanOf(secondsOf(mode).map((seconds, i) => seconds / own[i]!)), 3),
      secondsToEnd: meanOver(mode, ({ course }) => secondsAt(course, TOKENS), 1),
      steps: meanOver(mode, ({ course }) => stepsAt(course, TOKENS), 0),
      idleShare: meanOver(mode, ({ effort }) => effort.idleShare),
      mostIdleShare: Math.max(...mode.trials.map(({ effort }) => effort.mostIdleShare)),
    }));
  },
});
