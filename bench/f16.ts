/**
 * Does training in f16 follow training in f32? The same windows from the same weights, three seeds of both, step by
 * step; and whether it comes back from overflows.
 *
 * The measure of all differences is a control: f32 beside f32 whose first weights were moved by roundings of f16, once.
 * What those two differ by is what any rounding does to a trajectory. A software driver trains a tiny model; its times
 * say nothing of a GPU.
 * @module
 */
import { loadEmbeddedText } from "../runtime/data/embedded.ts";
import { type Corpus, openCorpus } from "../runtime/data/corpus.ts";
import { orderedWindow } from "../runtime/data/ordered_window.ts";
import { memoryTokens } from "../runtime/data/tokens.ts";
import { selfTestF16 } from "../runtime/device/f16.ts";
import type { Device } from "../runtime/device/device.ts";
import type { ModelConfig } from "../runtime/model/config.ts";
import { initialWeights } from "../runtime/model/parameters.ts";
import { presets } from "../runtime/presets.ts";
import { openTrainer, type TrainerOptions } from "../runtime/train/trainer.ts";
import { heldOutWindows } from "../runtime/worker/held_out.ts";
import { type OpenedGpu, openGpus } from "./gpu_providers.ts";
import type { Bench, BenchLine } from "./line.ts";
import { SETTINGS, TINY_MODEL } from "./training.ts";

const STEPS = 300, SEEDS = [1, 2, 3], B = 8;
/** Steps between two looks at the metrics. */
const BURST = 25;
/** So large that the first steps overflow. */
const OVERFLOWING = 2 ** 24;

interface Course {
  readonly losses: readonly number[];
  readonly heldOut: number;
  readonly skipped: number;
  readonly lossScale: number;
  readonly plannedBytes: number;
  readonly msPerStep: number;
}

interface Scene extends Pick<TrainerOptions, "precision" | "lossScale"> {
  readonly device: Device;
  readonly model: ModelConfig;
  readonly corpus: Corpus;
  readonly seed: number;
  /** Whether weights begin as f16 has them. */
  readonly isMoved?: boolean;
}

export const f16Bench: Bench = {
  name: "f16",
  question: `Does training in f16 follow training in f32 for ${STEPS} steps, and come back from overflows?`,
  async *run({ seed }) {
    for await (const gpu of openGpus("f16 beside f32")) yield* gpu.ok ? onGpu(gpu, seed) : [gpu.line];
  },
};

/** @param only The one seed to train with, else all. */
async function* onGpu(
  { device, about, isSoftware }: OpenedGpu & { readonly ok: true },
  only: number | undefined,
): AsyncGenerator<BenchLine> {
  const problem = await selfTestF16(device);
  if (problem !== null) {
    return yield { name: "f16 beside f32", ...about, device: `${about.device}, skipped`, reason: problem };
  }
  const model = isSoftware ? TINY_MODEL : presets.demo.model;
  const text = memoryTokens(new TextEncoder().encode(await loadEmbeddedText()));
  const corpus = openCorpus(text, model);
  for (const seed of only === undefined ? SEEDS : [only]) {
    const scene = { device, model, corpus, seed };
    const f32 = await train(scene), f16 = await train({ ...scene, precision: "f16" });
    yield { name: "f16 beside f32", ...about, seed, ...compare(f16, f32), ...cost(f16, f32) };
    const moved = await train({ ...scene, isMoved: true });
    yield { name: "control: f32 from weights rounded to f16", ...about, seed, ...compare(moved, f32) };
    const overflowed = await train({ ...scene, precision: "f16", lossScale: OVERFLOWING });
    yield {
      name: `f16 from a loss scale of 2^${Math.log2(OVERFLOWING)}`,
      ...about,
      seed,
      ...compare(overflowed, f32),
    };
  }
}

async function train({ device, model, corpus, seed, isMoved = false, ...options }: Scene): Promise<Course> {
  const order = { seed, contextLength: model.contextLength }, weights = initialWeights(model, seed);
  const losses: number[] = [];
  let skipped = 0, lossScale = 1, ms = 0;
  await using trainer = await openTrainer({ device, model, microBatch: B, outer: false, ...options });
  trainer.writeWeights(isMoved ? weights.map(Math.f16round) : weights);
  for (let step = 0; step < STEPS;) {
    const startedAtMs = performance.now();
    for (const end = step + BURST; step < end; step++) {
      trainer.step(Array.from({ length: B }, (_, i) => orderedWindow(corpus.train, step * B + i, order)), SETTINGS);
    }
    for (const metrics of await trainer.readMetrics()) {
      losses.push(metrics.loss);
      lossScale = metrics.lossScale;
      if (metrics.skipped) skipped++;
    }
    ms += performance.now() - startedAtMs;
  }
  const { lossSum, tokens } = await trainer.evaluate(heldOutWindows(corpus.heldOut, order));
  const { plannedBytes } = trainer;
  return { losses, heldOut: lossSum / tokens, skipped, lossScale, plannedBytes, msPerStep: ms / STEPS };
}

/** Held-out losses in nats per token; training losses of the same step in thousandths of that. */
function compare(course: Course, reference: Course): Omit<BenchLine, "name"> {
  const differences = course.losses.map((loss, i) => Math.abs(loss - reference.losses[i]!));
  return {
    skipped: course.skipped,
    lastLossScale: course.lossScale,
    heldOut: course.heldOut,
    heldOutMilliNatsMore: 1000 * (course.heldOut - reference.heldOut),
    meanMilliNatsApart: 1000 * mean(differences),
    mostMilliNatsApart: 1000 * Math.max(...differences),
  };
}

function cost(f16: Course, f32: Course): Omit<BenchLine, "name"> {
  const MiB = 2 ** 20;
  return {
    plannedMiB: f16.plannedBytes / MiB,
    plannedMiBF32: f32.plannedBytes / MiB,
    msPerStep: f16.msPerStep,
    msPerStepF32: f32.msPerStep,
  };
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
