/**
 * What does growth cost? The time of a training step against parameters (by width), context and batch, one of them
 * growing at a time: on the cpu device in WebAssembly and by a library, and on a real GPU. Each with the exponent that
 * fits, beside that of its operations, and with the worst place: no size may make an operation suddenly dear.
 *
 * All sizes are gone through several times, with a turn of every device at each (`contest.ts`), so that a minute of
 * other work on the machine is no cliff; the best turn counts. `bench/draw_growth.ts` draws the picture.
 * @module
 */
import type { ModelConfig } from "../runtime/model/config.ts";
import { parameterLayout } from "../runtime/model/parameters.ts";
import { presets } from "../runtime/presets.ts";
import { flopsOfToken } from "../runtime/profile/report.ts";
import { contest, type Contestant, type Work } from "./contest.ts";
import { openOurCpu, THREAD_COUNTS } from "./cpu_contestants.ts";
import { openGpus } from "./gpu_providers.ts";
import { type GrowthPoint, judgeGrowth } from "./growth_judge.ts";
import type { Bench, BenchLine } from "./line.ts";
import { ourContestant } from "./our_contestant.ts";
import { targetLine } from "./target.ts";
import { GPT2_124M, SETTINGS } from "./training.ts";

type Step = Work & { readonly kind: "step" };

/** What grows, by its name in lines: sizes, and the step of each. */
type Axes = Readonly<Record<"parameters" | "context" | "batch", readonly Sized[]>>;

interface Sized {
  readonly size: number;
  readonly work: Step;
}

const PASSES = 3, TURNS = { rounds: 1, turnMs: 200 };
/** Values of a head, whatever the width. */
const HEAD = 32;
/** An operation may cost so much more than at the size before: half as much again. */
const MOST_SLOWDOWN = 1.5;

const demo = presets.demo.model;
const ON_CPU: Axes = {
  parameters: [64, 96, 128, 192, 256, 320].map((width) => byParameters(widened(demo, width), 8)),
  context: [32, 64, 128, 256, 512, 1024].map((size) => ({ size, work: step({ ...demo, contextLength: size }, 2) })),
  batch: [1, 2, 4, 8, 16, 32].map((size) => ({ size, work: step(demo, size) })),
};
/** Half of GPT-2's layers; its vocabulary would hide what the width does. */
const large: ModelConfig = { ...GPT2_124M, vocabularySize: 4096, layerCount: 6, contextLength: 512 };
const ON_GPU: Axes = {
  parameters: [256, 384, 512, 768, 1024, 1536].map((width) => byParameters(widened(large, width), 8)),
  context: [64, 128, 256, 512, 1024, 2048].map((size) => ({ size, work: step({ ...large, contextLength: size }, 4) })),
  batch: [1, 2, 4, 8, 16, 32].map((size) => ({ size, work: step(large, size) })),
};

export const growthBench: Bench = {
  name: "growth",
  question: "How does the time of a training step grow with parameters, context and batch?",
  async *run() {
    const threads = THREAD_COUNTS.at(-1)!, { wasm, library, missing } = await openOurCpu([threads]);
    yield* missing;
    const contestants = [...wasm.values(), ...library.values()];
    try {
      yield* grow(contestants, ON_CPU);
    } finally {
      for (const contestant of contestants) await contestant[Symbol.asyncDispose]();
    }
    for await (const gpu of openGpus("growth")) {
      if (!gpu.ok) yield gpu.line;
      else if (gpu.isSoftware) {
        yield { name: "growth", ...gpu.about, reason: "a software driver says nothing of a GPU's growth" };
      } else {
        await using contestant = ourContestant(gpu);
        yield* grow([contestant], ON_GPU);
      }
    }
  },
};

async function* grow(contestants: readonly Contestant[], axes: Axes): AsyncGenerator<BenchLine> {
  for (const [axis, steps] of Object.entries(axes)) {
    const results = await measure(contestants, steps);
    for (const [i, { about }] of contestants.entries()) {
      const points: GrowthPoint[] = [];
      for (const [j, { size, work }] of steps.entries()) {
        const line = { name: `by ${axis}`, ...about, size }, { ms, reason } = results[j]![i]!;
        if (ms === Infinity) {
          yield { ...line, reason };
          continue;
        }
        const tokens = work.batch * work.model.contextLength;
        const flops = flopsOfToken(work.model, parameterLayout(work.model).parameterCount) * tokens;
        points.push({ size, ms, flops });
        yield { ...line, msPerStep: ms, tokensPerSecond: tokens / ms * 1000, gflops: flops / ms / 1e6 };
      }
      const growth = judgeGrowth(points);
      if (growth === null) continue;
      yield {
        name: "exponent",
        run: `by ${axis}`,
        ...about,
        from: points[0]!.size,
        to: points.at(-1)!.size,
        ...growth,
      };
      yield targetLine(`a step by ${axis}: an operation, times its cost one size below`, {
        ...{ device: about.device, figure: growth.mostSlowdown, wanted: { atMost: MOST_SLOWDOWN } },
      });
    }
  }
}

interface Best {
  /** Of one step; infinite if none was done. */
  ms: number;
  reason: string;
}

/** For each step and contestant the best time, over all passes. */
async function measure(contestants: readonly Contestant[], steps: readonly Sized[]): Promise<Best[][]> {
  const best = steps.map(() => contestants.map((): Best => ({ ms: Infinity, reason: "" })));
  for (let pass = 0; pass < PASSES; pass++) {
    for (const [j, { work }] of steps.entries()) {
      for (const [i, outcome] of (await contest(contestants, work, TURNS)).entries()) {
        const one = best[j]![i]!;
        if (outcome.ok) one.ms = Math.min(one.ms, outcome.bestMs);
        else one.reason = outcome.reason;
      }
    }
  }
  return best;
}

function widened(model: ModelConfig, width: number): ModelConfig {
  const headCount = width / HEAD;
  return { ...model, width, hiddenWidth: 4 * width, headCount, keyValueHeadCount: headCount };
}

function byParameters(model: ModelConfig, batch: number): Sized {
  return { size: parameterLayout(model).parameterCount, work: step(model, batch) };
}

function step(model: ModelConfig, batch: number): Step {
  return { kind: "step", model, settings: SETTINGS, batch };
}
