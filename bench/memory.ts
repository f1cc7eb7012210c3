/**
 * Does training take the memory that its plan says, and does it stay there?
 *
 * The plan is beside the most bytes that the device had in buffers; the resident set of the whole process (with a
 * software driver, that is also where "device" memory is) is noted along 500 steps.
 * @module
 */
import { openCpuDevice } from "../runtime/device/cpu.ts";
import type { Device } from "../runtime/device/device.ts";
import { exampleWindows } from "../runtime/profile/step_profile.ts";
import { presets } from "../runtime/presets.ts";
import { openTrainer } from "../runtime/train/trainer.ts";
import { realClock } from "../runtime/worker/clock.ts";
import { choiceFor } from "../runtime/graph/choice.ts";
import { probeSpeed } from "../runtime/worker/speed_probe.ts";
import { openGpus } from "./gpu_providers.ts";
import type { Bench, BenchLine } from "./line.ts";
import { SETTINGS, TINY_MODEL } from "./training.ts";

const B = 8, STEPS = 500;
/** Metrics are read as often, as a learner does; the ring holds 64 steps. */
const READ_EVERY = 50;
/** From here on everything is compiled and the collector has seen a few rounds. */
const WARM_STEPS = 100;
const MIB = 2 ** 20;

export const memoryBench: Bench = {
  name: "memory",
  question: "Does a training step take the memory that was planned, and no more after 500 steps?",
  async *run() {
    {
      await using device = await openCpuDevice();
      yield await plan(device);
      yield await course(device);
    }
    for await (const gpu of openGpus("memory")) {
      if (!gpu.ok) yield gpu.line;
      else {
        yield await plan(gpu.device);
        yield await course(gpu.device);
      }
    }
    yield* peaksOfStarts();
  },
};

/** Planned bytes beside the device's peak, after a step, an evaluation and a cut of the demo's model. */
async function plan(device: Device): Promise<BenchLine> {
  const { model } = presets.demo, rssBefore = Deno.memoryUsage().rss;
  await using trainer = await openTrainer({ device, model, microBatch: B });
  const windows = exampleWindows(B, model);
  trainer.step(windows, SETTINGS);
  await trainer.evaluate(windows);
  await trainer.cut();
  const { peakBytes } = device.memory(), { plannedBytes } = trainer;
  return {
    name: "plan of the demo's model",
    device: device.description,
    plannedBytes,
    peakBytes,
    peakToPlan: peakBytes / plannedBytes,
    rssGrowthMiB: (Deno.memoryUsage().rss - rssBefore) / MIB,
  };
}

/**
 * A peer's way to its plan: it tries micro-batches, and then opens a trainer for the fastest, whose plan it prints. What
 * was tried is freed, but the largest of it stays the peak. Software drivers are too slow for the search.
 */
async function* peaksOfStarts(): AsyncGenerator<BenchLine> {
  {
    await using device = await openCpuDevice();
    yield await peakOfStart(device);
  }
  for await (const gpu of openGpus("memory")) if (gpu.ok && !gpu.isSoftware) yield await peakOfStart(gpu.device);
}

async function peakOfStart(device: Device): Promise<BenchLine> {
  const { model, training } = presets.demo;
  const { microBatch } = await probeSpeed({
    device,
    model,
    precision: "f32",
    products: choiceFor(device),
    most: training.batch,
    clock: realClock,
  });
  const { peakBytes: searchedBytes } = device.memory();
  await using trainer = await openTrainer({ device, model, microBatch });
  const { peakBytes } = device.memory(), { plannedBytes } = trainer;
  const peakToPlan = peakBytes / plannedBytes;
  return {
    name: "search and plan",
    device: device.description,
    microBatch,
    plannedBytes,
    searchedBytes,
    peakBytes,
    peakToPlan,
  };
}

/** Buffers and resident set along many steps of a tiny model. */
async function course(device: Device): Promise<BenchLine> {
  await using trainer = await openTrainer({ device, model: TINY_MODEL, microBatch: B });
  const opened = device.memory().bytes, rss = new Map<number, number>();
  for (let step = 1; step <= STEPS; step++) {
    trainer.step(exampleWindows(B, TINY_MODEL), SETTINGS);
    if (step % READ_EVERY !== 0) continue;
    await trainer.readMetrics();
    rss.set(step, Deno.memoryUsage().rss / MIB);
  }
  return {
    name: `${STEPS} steps of a tiny model`,
    device: device.description,
    bufferBytes: opened,
    bufferGrowthBytes: device.memory().bytes - opened,
    [`rssMiBAfter${WARM_STEPS}`]: rss.get(WARM_STEPS)!,
    [`rssMiBAfter${STEPS}`]: rss.get(STEPS)!,
    rssMostMiB: Math.max(...rss.values()),
  };
}
