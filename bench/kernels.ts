/**
 * What a training step costs, kernel by kernel, and what of the device's peak each kernel reaches: the demo's model on
 * the cpu device, and on a real GPU a large one too, because a small one does not fill it.
 *
 * It profiles the step that a peer makes, as `starling profile` does, and so follows the model's graph by itself.
 * @module
 */
import { openCpuDevice } from "../runtime/device/cpu.ts";
import type { Device } from "../runtime/device/device.ts";
import { measurePeak } from "../runtime/device/peak.ts";
import { openWebGpuDevice } from "../runtime/device/webgpu.ts";
import type { ModelConfig } from "../runtime/model/config.ts";
import { presets } from "../runtime/presets.ts";
import { reportProfile } from "../runtime/profile/report.ts";
import { profileStep } from "../runtime/profile/step_profile.ts";
import type { Bench, BenchLine } from "./line.ts";
import { GPT2_124M, isSoftware, openOrSay, SETTINGS } from "./training.ts";

interface Case {
  readonly model: ModelConfig;
  /** Sequences of a step. */
  readonly batch: number;
  /** Behind the name of a kernel. */
  readonly of?: string;
  readonly threads?: number;
}

const DEMO = { model: presets.demo.model, batch: 8 };

export const kernelsBench: Bench = {
  name: "kernels",
  question: "What does each kernel of a training step cost, and what of the device's peak is that?",
  async *run() {
    for (const threads of new Set([1, navigator.hardwareConcurrency])) {
      await using device = await openCpuDevice({ threads });
      yield* kernelsOf(device, { ...DEMO, threads });
    }
    const device = await openOrSay(openWebGpuDevice);
    if (typeof device === "string") return yield { name: "kernels", device: "webgpu, skipped", reason: device };
    await using _ = device;
    if (isSoftware(device)) return yield { name: "kernels", device: "webgpu, skipped", reason: device.description };
    yield* kernelsOf(device, DEMO);
    yield* kernelsOf(device, { model: GPT2_124M, batch: 4, of: " of GPT-2 of 124 M" });
  },
};

async function* kernelsOf(device: Device, { model, batch, of = "", threads }: Case): AsyncGenerator<BenchLine> {
  const about = { device: device.description, ...(threads === undefined ? {} : { threads }) };
  const profile = await profileStep({ device, model, settings: SETTINGS, batch });
  const peak = await measurePeak(device), report = reportProfile(profile, peak);
  yield { name: `peak${of}`, ...about, ...peak };
  for (const { kernel, count, ms, gflops, gbps, fractionOfPeak } of report.kernels) {
    const figures = { dispatches: count, ms, gflops: gflops === 0 ? null : gflops, gbps, fractionOfPeak };
    yield { name: `${kernel}${of}`, ...about, ...figures };
  }
  const { dispatches, stepMs: ms, modelGflops: gflops, mfu } = report;
  yield { name: `whole step${of}`, ...about, dispatches, ms, gflops, mfu };
}
