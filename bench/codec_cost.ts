/**
 * What does a codec cost? Whole runs of four unequal peers with each, after equal tokens: loss, and bytes of a
 * contribution. Error feedback is at work as peers have it.
 *
 * `codec` asks the same of a few rounds in step, within seconds and without hosts.
 * @module
 */
import type { RunConfig } from "../runtime/config.ts";
import { lossFigures, meanOver, proofBench, tuned } from "./proof/proof_bench.ts";
import { LEARNING_RATES, machines, proofRun } from "./proof/setting.ts";
import { AS_PRODUCT, type Finished } from "./proof/trial.ts";

const BATCH = 32;
const SPEEDS = machines(8, 4, 2, 1);

interface Way {
  readonly name: string;
  readonly codec: RunConfig["outer"]["codec"];
  readonly kept: number | null;
}

const WAYS: readonly Way[] = [
  { name: "f32", codec: "f32", kept: null },
  { name: "int8", codec: "int8", kept: null },
  ...[512, 256, 64].map((kept): Way => ({ name: `topk, ${kept} of 4096`, codec: "topk", kept })),
  { name: "topk, as a run goes from 512 to 64", codec: "topk", kept: null },
];

export const codecCostBench = proofBench({
  name: "codec-cost",
  question: "what do runs learn with each codec, and what do their contributions weigh?",
  trials: (seed) =>
    WAYS.flatMap(({ name, codec, kept }) =>
      LEARNING_RATES.map((learningRate) => ({
        ...AS_PRODUCT,
        name,
        config: proofRun({ seed, learningRate, batch: BATCH, outer: { codec } }),
        speeds: SPEEDS,
        kept,
      }))
    ),
  lines(finished) {
    const ways = tuned(finished), dense = ways[0]!;
    return ways.map((way) => ({
      ...lossFigures(way, dense),
      contributionBytes: meanOver(way, bytesOfContribution, 0),
      timesSmaller: Number((meanOver(dense, bytesOfContribution) / meanOver(way, bytesOfContribution)).toPrecision(3)),
      rounds: meanOver(way, ({ course }) => course.ms.length, 0),
    }));
  },
});

/** The mean over rounds and peers. */
export function bytesOfContribution({ effort, course }: Finished): number {
  return effort.contributionBytes / course.ms.length / SPEEDS.length;
}
