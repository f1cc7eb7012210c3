/**
 * What a training step costs, kernel by kernel, and what of the device's peak each kernel reaches: the demo's model on
 * the cpu device, and on a real GPU a large one too, because a small one does not fill it.
 *
 * It profiles the step that a peer makes, as `starling profile` does, and so follows the model's graph by itself.
 * @module
 */
import { type BlasChoice, blasChoice } from "../runtime/device/blas.ts";
import { openCpuDevice } from "../runtime/device/cpu.ts";
import type { Device } from "../runtime/device/device.ts";
import { measurePeak } from "../runtime/device/peak.ts";
import type { ModelConfig } from "../runtime/model/config.ts";
import { presets } from "../runtime/presets.ts";
import { reportProfile } from "../runtime/profile/report.ts";
import { profileStep } from "../runtime/profile/step_profile.ts";
import type { About } from "./contest.ts";
import { THREAD_COUNTS } from "./cpu_contestants.ts";
import { openGpus } from "./gpu_providers.ts";
import type { Bench, BenchLine } from "./line.ts";
import { targetLine } from "./target.ts";
import { GPT2_124M, SETTINGS } from "./training.ts";

interface Case {
  readonly model: ModelConfig;
  /** Sequences of a step. */
  readonly batch: number;
  /** Behind the name of a kernel. */
  readonly of?: string;
  readonly about: About;
  /** Whether something is wanted of those that are bound by memory. */
  readonly isJudged?: boolean;
}

/** What a kernel that is bound by memory should reach, if it takes at least this share of a step. */
const LEAST_OF_BANDWIDTH = 0.8, LEAST_SHARE = 0.01;

const DEMO = { model: presets.demo.model, batch: 8 };

export const kernelsBench: Bench = {
  name: "kernels",
  question: "What does each kernel of a training step cost, and what of the device's peak is that?",
  async *run() {
    const inWasm = THREAD_COUNTS.map((threads): [number, BlasChoice] => [threads, "off"]);
    for (const [threads, blas] of [...inWasm, [THREAD_COUNTS.at(-1)!, blasChoice()] as const]) {
      await using device = await openCpuDevice({ threads, blas });
      const isByLibrary = /products by/.test(device.description);
      if (blas !== "off" && !isByLibrary) continue; // there is no library: the same as before
      yield* kernelsOf(device, { ...DEMO, about: { device: device.description, threads } });
    }
    for await (const gpu of openGpus("kernels")) {
      if (!gpu.ok) yield gpu.line;
      else if (gpu.isSoftware) {
        yield { name: "kernels", ...gpu.about, reason: "a software driver says nothing of a GPU" };
      } else {
        yield* kernelsOf(gpu.device, { ...DEMO, about: gpu.about });
        yield* kernelsOf(gpu.device, {
          ...{ model: GPT2_124M, batch: 4, of: " of GPT-2 of 124 M", about: gpu.about },
          isJudged: true,
        });
      }
    }
  },
};

async function* kernelsOf(
  device: Device,
  { model, batch, of = "", about, isJudged = false }: Case,
): AsyncGenerator<BenchLine> {
  const profile = await profileStep({ device, model, settings: SETTINGS, batch });
  const peak = await measurePeak(device), report = reportProfile(profile, peak);
  yield { name: `peak${of}`, ...about, ...peak };
  for (const { kernel, count, ms, gflops, gbps, fractionOfPeak, share, boundBy } of report.kernels) {
    const figures = { dispatches: count, ms, gflops: gflops === 0 ? null : gflops, gbps, fractionOfPeak };
    yield { name: `${kernel}${of}`, ...about, ...figures };
    if (isJudged && boundBy === "memory" && share >= LEAST_SHARE) {
      yield targetLine(`${kernel}${of}: of the copy's bandwidth`, {
        ...{ device: about.device, figure: fractionOfPeak, wanted: { atLeast: LEAST_OF_BANDWIDTH } },
      });
    }
  }
  const { dispatches, stepMs: ms, modelGflops: gflops, mfu } = report;
  yield { name: `whole step${of}`, ...about, dispatches, ms, gflops, mfu };
}
