/**
 * A training step of the demo's model: tokens per second on the cpu device and on a GPU, beside PyTorch in the same run.
 *
 * PyTorch trains the same shape, batch and optimizer (`step_pytorch.py`), on every number of threads up to the cores;
 * the ratio is to the fastest of them. Its Python is `python3`, or what STARLING_PYTHON names.
 *
 * B windows of T bytes, B·T tokens a step. A real GPU also trains large models, because a small one does not fill it; a
 * software driver gets a tiny one: there the figures that count are dispatches and submits. MFU is of the peak that our
 * own multiply-adds reach on the same device, just before.
 * @module
 */
import { reasonOf } from "../p2p/reason.ts";
import { openCpuDevice } from "../runtime/device/cpu.ts";
import type { Device } from "../runtime/device/device.ts";
import { measurePeak } from "../runtime/device/peak.ts";
import { openWebGpuDevice } from "../runtime/device/webgpu.ts";
import type { ModelConfig } from "../runtime/model/config.ts";
import { initialWeights } from "../runtime/model/parameters.ts";
import { flopsOfToken } from "../runtime/profile/report.ts";
import { exampleWindows } from "../runtime/profile/step_profile.ts";
import { presets } from "../runtime/presets.ts";
import { openTrainer } from "../runtime/train/trainer.ts";
import type { Precision } from "../runtime/train/training_graph.ts";
import type { Bench, BenchLine } from "./line.ts";
import { countRuns, GPT2_124M, isSoftware, openOrSay, SETTINGS, TINY_MODEL } from "./training.ts";

const B = 8;
/** Each round lasts about as long; the median and the best of the rounds are told. */
const ROUNDS = 9, ROUND_MS = 1000;

/** What others publish figures of. */
const LARGE: readonly (readonly [name: string, model: ModelConfig, batch: number])[] = [
  ["DistilGPT-2's shape, 512 tokens", { ...GPT2_124M, layerCount: 6, contextLength: 512 }, 1],
  ["GPT-2 of 124 M, 4 × 1,024 tokens", GPT2_124M, 4],
];

interface Speed {
  readonly tokensPerSecond: number;
  readonly bestTokensPerSecond: number;
}

export const stepBench: Bench = {
  name: "step",
  question: `How fast is a training step of the demo's model, ${B} windows, here and in PyTorch?`,
  async *run() {
    let ours = 0;
    for (const threads of new Set([1, navigator.hardwareConcurrency])) {
      await using device = await openCpuDevice({ threads });
      const speed = await measure(device, presets.demo.model);
      ours = Math.max(ours, speed.bestTokensPerSecond);
      yield { name: "step of the demo's model", device: device.description, threads, ...speed };
    }
    yield* pytorch(ours);
    yield* webgpu();
  },
};

async function* pytorch(ours: number): AsyncGenerator<BenchLine> {
  let theirs = 0;
  try {
    for (const { torch, threads, ...speed } of await runPytorch()) {
      theirs = Math.max(theirs, speed.bestTokensPerSecond);
      yield { name: "step of the demo's model", device: `PyTorch ${torch} cpu`, threads, ...speed };
    }
  } catch (error) {
    const reason = reasonOf(error);
    console.error(`Cannot compare with PyTorch: ${reason}. Set STARLING_PYTHON to a Python that has torch`);
    yield { name: "step of the demo's model", device: "PyTorch, skipped", reason };
    return;
  }
  yield { name: "PyTorch's best is faster by", device: "cpu", ratio: theirs / ours };
}

interface PytorchSpeed extends Speed {
  readonly torch: string;
  readonly threads: number;
}

async function runPytorch(): Promise<PytorchSpeed[]> {
  const python = Deno.env.get("STARLING_PYTHON") ?? "python3";
  const shape = { ...presets.demo.model, ...SETTINGS, batch: B, rounds: ROUNDS, roundMs: ROUND_MS };
  const { code, stdout, stderr } = await new Deno.Command(python, {
    args: [new URL("step_pytorch.py", import.meta.url).pathname, JSON.stringify(shape)],
  }).output();
  if (code !== 0) throw new Error(`${python} says: ${new TextDecoder().decode(stderr).trim().split("\n").at(-1)}`);
  return new TextDecoder().decode(stdout).trim().split("\n").map((text) => JSON.parse(text) as PytorchSpeed);
}

async function* webgpu(): AsyncGenerator<BenchLine> {
  const device = await openOrSay(openWebGpuDevice);
  if (typeof device === "string") {
    yield { name: "step of the demo's model", device: "webgpu, skipped", reason: device };
    return;
  }
  await using _ = device;
  const { description } = device;
  if (isSoftware(device)) {
    yield { name: "step of a tiny model", device: description, ...await measure(device, TINY_MODEL) };
    return;
  }
  for (const precision of device.storesF16 ? ["f32", "f16"] as const : ["f32"] as const) {
    const how = precision === "f16" ? " in f16" : "", about = { device: description };
    yield {
      name: `step of the demo's model${how}`,
      ...about,
      ...await measure(device, presets.demo.model, { precision }),
    };
    for (const [name, model, batch] of LARGE) {
      yield { name: `step of ${name}${how}`, ...about, ...await measure(device, model, { batch, precision }) };
    }
  }
}

/** Opens a trainer, warms it up, and times rounds of steps that are enqueued and then waited for. */
async function measure(
  device: Device,
  model: ModelConfig,
  { batch = B, precision = "f32" }: { readonly batch?: number; readonly precision?: Precision } = {},
) {
  const peak = await measurePeak(device);
  await using trainer = await openTrainer({ device, model, microBatch: batch, outer: false, precision });
  const windows = exampleWindows(batch, model);
  trainer.writeWeights(initialWeights(model, 1));
  const steps = async (count: number) => {
    const startedAtMs = performance.now();
    for (let i = 0; i < count; i++) trainer.step(windows, SETTINGS);
    await device.idle();
    return (performance.now() - startedAtMs) / count;
  };
  await steps(2); // the first step compiles and touches memory
  const count = Math.max(1, Math.round(ROUND_MS / await steps(2)));
  const runs = countRuns(device);
  await steps(1);
  const { dispatches, submits } = runs;
  const times: number[] = [];
  for (let round = 0; round < ROUNDS; round++) times.push(await steps(count));
  times.sort((a, b) => a - b);
  const tokens = batch * model.contextLength, medianMs = times[ROUNDS >> 1]!;
  const gflops = flopsOfToken(model, trainer.parameterCount) * tokens / medianMs / 1e6;
  return {
    tokensPerSecond: tokens / medianMs * 1000,
    bestTokensPerSecond: tokens / times[0]! * 1000,
    msPerStep: medianMs,
    gflops,
    mfu: gflops / peak.gflops,
    dispatches,
    submits,
  };
}
