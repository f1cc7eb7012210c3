/**
 * What is lost to one machine at the size of the demo? Its model, 842 thousand parameters, whose steps hold ten times the
 * tokens of those of the other benchmarks: one peer with plain AdamW, three equal peers, and eight unequal ones, at one
 * global batch and after equal tokens; and what closes the gap. Boxes hold some ten steps, which is the least that peers
 * make: in boxes half as long they halve the batch, so one peer is tried with half of it too.
 *
 * The setting is that of a control in PyTorch which parameter averaging was designed by: 614 thousand tokens, batch 24.
 * @module
 */
import { presets } from "../runtime/presets.ts";
import { meanOf } from "./proof/compare.ts";
import { secondsAt, stepsAt } from "./proof/course.ts";
import { lossFigures, meanOver, proofBench, rounded, tuned } from "./proof/proof_bench.ts";
import { machines, proofRun, type RunChanges } from "./proof/setting.ts";
import { AS_PRODUCT } from "./proof/trial.ts";

const BATCH = 24, TOKENS = 614_400;
const RATES = [1e-3, 2e-3, 4e-3] as const, TO_8E_3 = [2e-3, 4e-3, 8e-3] as const;
/** At 2,400 tokens a second together a step of the whole batch takes some 1.3 s. */
const BOX_MS = 14_000;

const EIGHT = machines(8, 8, 4, 4, 2, 2, 1, 1);

interface Way {
  readonly name: string;
  readonly speeds: typeof EIGHT;
  readonly rates: readonly number[];
  readonly changes: Partial<Pick<RunChanges, "batch" | "outer" | "boxMs">>;
}

const ADAMW = { codec: "f32" } as const, MOMENTUM = { momentum: 0.65 } as const;

/** With the rates that each is tried at. */
const WAYS: readonly Way[] = [
  { name: "one peer", speeds: machines(1), rates: RATES, changes: { outer: ADAMW } },
  { name: "one peer, batch 12", speeds: machines(1), rates: RATES, changes: { batch: 12, outer: ADAMW } },
  { name: "three equal peers", speeds: machines(1, 1, 1), rates: RATES, changes: {} },
  { name: "eight unequal peers", speeds: EIGHT, rates: [1e-3, ...TO_8E_3], changes: {} },
  { name: "eight unequal peers, momentum 0.65", speeds: EIGHT, rates: RATES, changes: { outer: MOMENTUM } },
  {
    name: "eight unequal peers, boxes half as long",
    speeds: EIGHT,
    rates: TO_8E_3,
    changes: { boxMs: BOX_MS / 2 },
  },
  {
    name: "eight unequal peers, boxes half as long, momentum 0.65",
    speeds: EIGHT,
    rates: RATES,
    changes: { boxMs: BOX_MS / 2, outer: MOMENTUM },
  },
];

export const demoSizeBench = proofBench({
  name: "demo-size",
  question: "what do three and eight peers lose to one machine with the demo's model?",
  tokens: TOKENS,
  trials: (seed) =>
    WAYS.flatMap(({ name, speeds, rates, changes }) =>
      rates.map((learningRate) => ({
        ...AS_PRODUCT,
        name,
        config: proofRun({
          ...{ seed, learningRate, batch: BATCH, boxMs: BOX_MS },
          ...{ model: presets.demo.model, tokens: TOKENS, ...changes },
        }),
        speeds,
      }))
    ),
  lines(finished) {
    const ways = tuned(finished, TOKENS), one = ways[0]!;
    return ways.map((way) => ({
      ...lossFigures(way, one),
      timesOne: rounded(meanOf(way.losses.map((loss, i) => loss / one.losses[i]!))),
      steps: meanOver(way, ({ course }) => stepsAt(course, TOKENS), 0),
      rounds: meanOver(way, ({ course }) => course.ms.length, 0),
      seconds: meanOver(way, ({ course }) => secondsAt(course, TOKENS), 1),
    }));
  },
});
