/**
 * A training step: tokens per second here and in PyTorch, in turns.
 *
 * PyTorch trains the same shape, batch and optimizer (`rivals/pytorch.py`). On the processor that is the demo's model,
 * B windows of T bytes, on one thread and on one for each core. A real GPU also trains large models, because a small one
 * does not fill it, beside PyTorch on CUDA; a software driver gets a tiny one: there the figures that count are
 * dispatches and submits. MFU is of the peak that our own multiply-adds reach on the same device, just before.
 * @module
 */
import { openCpuDevice } from "../runtime/device/cpu.ts";
import { measurePeak } from "../runtime/device/peak.ts";
import type { ModelConfig } from "../runtime/model/config.ts";
import { parameterLayout } from "../runtime/model/parameters.ts";
import { presets } from "../runtime/presets.ts";
import { flopsOfToken } from "../runtime/profile/report.ts";
import { contest, type Contestant, type Outcome, type Work } from "./contest.ts";
import { openOurCpu, THREAD_COUNTS } from "./cpu_contestants.ts";
import { type OpenedGpu, openGpus } from "./gpu_providers.ts";
import type { Bench, BenchLine } from "./line.ts";
import { ourContestant } from "./our_contestant.ts";
import { openRivals, pytorchRival } from "./rivals/rival.ts";
import { targetLine } from "./target.ts";
import { GPT2_124M, SETTINGS, TINY_MODEL } from "./training.ts";

const B = 8;
const CPU_TURNS = { rounds: 7, turnMs: 700 }, GPU_TURNS = { rounds: 7, turnMs: 1000 };

type Case = readonly [name: string, work: Work & { readonly kind: "step" }];

const DEMO = step("step of the demo's model", presets.demo.model, B);
const TINY = step("step of a tiny model", TINY_MODEL, B);
/** What others publish figures of. */
const DISTIL = step("step of DistilGPT-2's shape, 512 tokens", { ...GPT2_124M, layerCount: 6, contextLength: 512 }, 1);
const LARGE: readonly Case[] = [
  DISTIL,
  step("step of GPT-2 of 124 M, 4 × 1,024 tokens", GPT2_124M, 4),
];

/** How much longer than PyTorch a step may take. */
const MOST_TIMES = { wasm: 3, library: 1.3, gpu: 2 };

/** Of a real GPU, by a large model. */
const LEAST_MFU = 0.35;

/** Of a step of DistilGPT-2's shape on a GPU of the class of an A100: what torchlette takes there. */
const MOST_DISTIL_MS = 50;

export const stepBench: Bench = {
  name: "step",
  question: `How fast is a training step of the demo's model, ${B} windows, here and in PyTorch?`,
  async *run() {
    yield* onCpu();
    for await (const gpu of openGpus("step")) yield* gpu.ok ? onGpu(gpu) : [gpu.line];
  },
};

async function* onCpu(): AsyncGenerator<BenchLine> {
  const { wasm, library, missing: none } = await openOurCpu(), peaks = new Map<Contestant, number>();
  for (const [threads, contestant] of wasm) {
    await using device = await openCpuDevice({ threads, blas: "off" });
    peaks.set(contestant, (await measurePeak(device)).gflops);
  }
  const { rivals, missing } = await openRivals(THREAD_COUNTS.map((threads) => pytorchRival("cpu", threads)));
  yield* [...none, ...missing];
  const ours = [...wasm.values(), ...library.values()], contestants = [...ours, ...rivals];
  try {
    const [name, work] = DEMO, outcomes = await contest(contestants, work, CPU_TURNS);
    for (const [i, outcome] of outcomes.entries()) yield lineOf(DEMO, outcome, peaks.get(contestants[i]!));
    const theirs = bestOf(outcomes.slice(ours.length));
    const inWasm = bestOf(outcomes.slice(0, wasm.size)), byLibrary = bestOf(outcomes.slice(wasm.size, ours.length));
    const about = { device: "cpu", theirs };
    yield* target(`${name} in WebAssembly: time, times PyTorch's best`, {
      ...about,
      ours: inWasm,
      most: MOST_TIMES.wasm,
    });
    yield* target(`${name} by a library: time, times PyTorch's best`, {
      ...about,
      ours: byLibrary,
      most: MOST_TIMES.library,
    });
  } finally {
    for (const contestant of contestants) await contestant[Symbol.asyncDispose]();
  }
}

async function* onGpu({ device, about, isSoftware }: OpenedGpu & { readonly ok: true }): AsyncGenerator<BenchLine> {
  const peak = (await measurePeak(device)).gflops;
  const { rivals, missing } = await openRivals(isSoftware ? [] : [pytorchRival("cuda", 1)]);
  yield* missing;
  const ours = [ourContestant({ device, about })];
  if (device.storesF16 && !isSoftware) {
    ours.push(ourContestant({ device, precision: "f16", about: { ...about, device: `${about.device}, in f16` } }));
  }
  const contestants = [...ours, ...rivals];
  try {
    for (const one of isSoftware ? [TINY] : [DEMO, ...LARGE]) {
      const [name, work] = one, outcomes = await contest(contestants, work, GPU_TURNS);
      for (const [i, outcome] of outcomes.entries()) yield lineOf(one, outcome, i < ours.length ? peak : undefined);
      if (one === DEMO || one === TINY) continue;
      const mfu = lineOf(one, outcomes[0]!, peak)["mfu"];
      if (typeof mfu === "number") {
        yield targetLine(`${name}: MFU`, { device: about.device, figure: mfu, wanted: { atLeast: LEAST_MFU } });
      }
      const [first] = outcomes;
      if (one === DISTIL && first?.ok) {
        const { medianMs } = first;
        yield targetLine(`${name}: ms`, { device: about.device, figure: medianMs, wanted: { atMost: MOST_DISTIL_MS } });
      }
      yield* target(`${name}: time, times PyTorch's`, {
        ...{ device: about.device, most: MOST_TIMES.gpu },
        ...{ ours: bestOf(outcomes.slice(0, 1)), theirs: bestOf(outcomes.slice(ours.length)) },
      });
    }
  } finally {
    for (const contestant of contestants) await contestant[Symbol.asyncDispose]();
  }
}

/** The figures of a step; MFU only where the peak is known. */
function lineOf([name, { model, batch }]: Case, outcome: Outcome, peakGflops: number | undefined): BenchLine {
  if (!outcome.ok) return { name, ...outcome.about, reason: outcome.reason };
  const { medianMs, bestMs, turn } = outcome, tokens = batch * model.contextLength;
  const gflops = flopsOfToken(model, parameterLayout(model).parameterCount) * tokens / medianMs / 1e6;
  return {
    name,
    ...outcome.about,
    tokensPerSecond: tokens / medianMs * 1000,
    bestTokensPerSecond: tokens / bestMs * 1000,
    msPerStep: medianMs,
    gflops,
    ...(peakGflops === undefined ? {} : { mfu: gflops / peakGflops }),
    ...turn.facts,
  };
}

/** The best time of several; not finite if none of them could. */
function bestOf(outcomes: readonly Outcome[]): number {
  return Math.min(...outcomes.map((outcome) => outcome.ok ? outcome.bestMs : Infinity));
}

/** Nothing, if one of both is missing. */
function* target(
  name: string,
  { device, ours, theirs, most }: {
    readonly device: string;
    readonly ours: number;
    readonly theirs: number;
    readonly most: number;
  },
): Generator<BenchLine> {
  if (!Number.isFinite(ours) || !Number.isFinite(theirs)) return;
  yield targetLine(name, { device, figure: ours / theirs, wanted: { atMost: most } });
}

function step(name: string, model: ModelConfig, batch: number): Case {
  return [name, { kind: "step", model, settings: SETTINGS, batch }];
}
