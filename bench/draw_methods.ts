/**
 * Draws what the benchmarks of ways of learning showed into `docs/methods/`, from the trials kept in
 * `bench/results/trials/`. Of each way the trials at its best learning rate count: the line is their mean, its band
 * goes from the least to the greatest seed. What has no whole seed of trials is named and left as it is.
 *
 *     deno run -A bench/draw_methods.ts
 * @module
 */
import { type Chart, drawChart, type Panel, type Series } from "../cli/chart/chart.ts";
import { adlocoBench } from "./adloco.ts";
import { balanceBench } from "./balance.ts";
import { bytesOfContribution, codecCostBench } from "./codec_cost.ts";
import { oneMachineBench } from "./one_machine.ts";
import { demoSizeBench } from "./demo_size.ts";
import { policiesBench } from "./policies.ts";
import { meanOf } from "./proof/compare.ts";
import { batchAt, type Course, lineageBatchAt, lossAt, roundsAt, secondsAt, stepsAt } from "./proof/course.ts";
import { meanOver, type ProofBench, type Tuned, tuned } from "./proof/proof_bench.ts";

const FOLDER = new URL("../docs/methods/", import.meta.url);
/** Points of a line. */
const POINTS = 40;
/** Losses of the first tokens would press all others together. */
const FROM_SHARE = 1 / 5;

interface Picture {
  readonly bench: ProofBench;
  readonly title: string;
  readonly description: string;
  readonly panels: (ways: readonly Tuned[]) => readonly Panel[];
}

/** As it was set, or by boxes that hold no more. */
const isOfHalfBatch = ({ name }: Tuned): boolean => /batch 12|boxes half/.test(name);

export const PICTURES: readonly Picture[] = [
  {
    bench: balanceBench,
    title: "Machines of speeds 1 : 2 : 4 : 8",
    description: "Held-out loss over time and over tokens, for four ways of dealing out a round's work.",
    panels: (ways) => [
      courses("loss over time", ways, MINUTES),
      courses("loss over tokens", ways, THOUSANDS),
    ],
  },
  {
    bench: policiesBench,
    title: "Batch policies",
    description: "Held-out loss over tokens, inner steps and time, and the global batch, under each batch policy.",
    panels: (ways) => [
      courses("loss over tokens", ways, THOUSANDS),
      courses("loss over inner steps", ways, STEPS),
      courses("loss over time", ways, MINUTES),
      batches("global batch", ways, batchAt),
    ],
  },
  {
    bench: adlocoBench,
    title: "AdLoCo and its parts",
    description: "Held-out loss over tokens, inner steps and rounds, and the batch of a lineage, without each part.",
    panels: (ways) => [
      courses("loss over tokens", ways, THOUSANDS),
      courses("loss over inner steps", ways, STEPS),
      courses("loss over rounds", ways, { label: "rounds", of: roundsAt }),
      batches("batch of a lineage", ways, lineageBatchAt),
    ],
  },
  {
    bench: oneMachineBench,
    title: "Eight unequal peers and one machine",
    description: "Held-out loss over tokens of one peer and of eight, at several batches and outer rules.",
    panels: (ways) => [
      courses("one peer", ways.filter(({ name }) => name.startsWith("one")), THOUSANDS),
      courses("eight peers", ways.filter(({ name }) => !name.startsWith("one")), THOUSANDS),
    ],
  },
  {
    bench: demoSizeBench,
    title: "The demo's model on one machine, on three and on eight",
    description: "Held-out loss over tokens of one peer, of three and of eight, at the same batch and at half of it.",
    panels: (ways) => [
      courses("batch 24", ways.filter((way) => !isOfHalfBatch(way)), THOUSANDS),
      courses("batch 12", ways.filter(isOfHalfBatch), THOUSANDS),
    ],
  },
  {
    bench: codecCostBench,
    title: "What codecs cost",
    description:
      "Held-out loss after equal tokens against the bytes of a contribution, and loss over tokens, by codec.",
    panels: (ways) => [
      {
        title: "loss after all tokens",
        x: { label: "bytes of a contribution", scale: "log" },
        y: { label: LOSS },
        series: ways.map((way) => ({
          name: way.name,
          style: "points",
          points: [{
            x: meanOver(way, bytesOfContribution, 0),
            ...spreadOf(way.losses),
          }],
        })),
      },
      courses("loss over tokens", ways, THOUSANDS),
    ],
  },
];

const LOSS = "held-out loss, nats per byte";

/** What stands along the x-axis. */
interface Along {
  readonly label: string;
  readonly of: (course: Course, tokens: number) => number;
}

const THOUSANDS: Along = { label: "thousand tokens", of: (_, tokens) => tokens / 1000 };
const STEPS: Along = { label: "inner steps, one after another", of: stepsAt };
const MINUTES: Along = { label: "virtual minutes", of: (course, at) => secondsAt(course, at) / 60 };

if (import.meta.main) {
  for (const { bench, title, description, panels } of PICTURES) {
    const finished = bench.kept();
    if (finished.length === 0) {
      console.error(`No seed of '${bench.name}' has all of its trials`);
      continue;
    }
    const chart: Chart = { title, description, panels: panels(tuned(finished, bench.tokens)) };
    Deno.writeTextFileSync(new URL(`${bench.name}.svg`, FOLDER), drawChart(chart));
  }
}

function courses(title: string, ways: readonly Tuned[], along: Along): Panel {
  return {
    title,
    x: { label: along.label },
    y: { label: LOSS },
    series: ways.map((way) => lineOf(way, along.of, lossAt)),
  };
}

/** From the first token on. */
function batches(title: string, ways: readonly Tuned[], of: Along["of"]): Panel {
  return {
    title,
    x: { label: THOUSANDS.label },
    y: { label: "sequences", scale: "log" },
    series: ways.map((way) => lineOf(way, THOUSANDS.of, of, 0)),
  };
}

/** Both figures after the same tokens, over seeds. */
function lineOf({ name, trials, tokens: all }: Tuned, x: Along["of"], y: Along["of"], from = FROM_SHARE): Series {
  const tokens = Array.from({ length: POINTS + 1 }, (_, i) => all * (from + (1 - from) * i / POINTS));
  return {
    name,
    points: tokens.map((at) => ({
      x: meanOf(trials.map(({ course }) => x(course, at))),
      ...spreadOf(trials.map(({ course }) => y(course, at))),
    })),
  };
}

function spreadOf(values: readonly number[]): { readonly y: number; readonly low: number; readonly high: number } {
  return { y: meanOf(values), low: Math.min(...values), high: Math.max(...values) };
}
