/**
 * How long a training step takes on a device, and each dispatch of it: measured, not yet judged (`report.ts` does).
 *
 * The step is that of a peer's own trainer, on one micro-batch. First ordinary steps are timed, then the programs of one
 * are profiled again and again. What is learned of the windows means nothing.
 * @module
 */
import type { Shape } from "../../kernels/kernel.ts";
import type { F16Bindings } from "../../kernels/stored.ts";
import { type Device, DeviceMemoryError, f16Bindings } from "../device/device.ts";
import { type Work, workOf } from "../device/work.ts";
import type { ModelConfig } from "../model/config.ts";
import { initialWeights } from "../model/parameters.ts";
import type { StepSettings } from "../train/inner_step.ts";
import { openTrainer, type Trainer } from "../train/trainer.ts";
import type { Precision } from "../train/training_graph.ts";
import { watch, type WatchedDevice } from "./watched.ts";

export interface StepProfileOptions {
  readonly device: Device;
  readonly model: ModelConfig;
  readonly settings: StepSettings;
  /** Sequences of the micro-batch; by default 4,096 tokens, or what of it there is memory for. */
  readonly batch?: number;
  readonly precision?: Precision;
  /** How often the step is profiled. */
  readonly steps?: number;
  /** Milliseconds; the default is `performance.now`. */
  readonly now?: () => number;
}

/** A program of the step, as one submit runs it. */
export interface ProfiledProgram {
  readonly label: string;
  readonly dispatches: readonly ProfiledDispatch[];
}

export interface ProfiledDispatch {
  readonly kernel: string;
  readonly shape: Shape;
  /** Bindings that lie in memory as f16. */
  readonly f16: F16Bindings;
  readonly work: Work;
}

export interface StepProfile {
  readonly device: string;
  readonly timing: Device["timing"];
  readonly model: ModelConfig;
  readonly parameterCount: number;
  readonly precision: Precision;
  /** Sequences of the step. */
  readonly batch: number;
  /** Of an ordinary step: the median of several rounds. */
  readonly stepMs: number;
  readonly programs: readonly ProfiledProgram[];
  /** For each profiled step the milliseconds of its dispatches, those of one program after those of another. */
  readonly times: readonly (readonly number[])[];
  /** Most bytes that the device had in buffers. */
  readonly peakBytes: number;
}

/** Where devices level off: more at once costs memory and saves no time. */
const MICRO_BATCH_TOKENS = 4096;
const PROFILED_STEPS = 5;
/** Ordinary steps are timed in rounds that last about so long, or of one step if it lasts longer. */
const ROUNDS = 3, ROUND_MS = 500, MOST_STEPS_A_ROUND = 64;

/**
 * Opens a trainer, measures, and closes it.
 * @throws {DeviceMemoryError} if there is no memory for the batch; without one, if there is none for one sequence.
 */
export async function profileStep(options: StepProfileOptions): Promise<StepProfile> {
  const { device, model, settings, steps = PROFILED_STEPS, now = () => performance.now() } = options;
  const watched = watch(device);
  await using trainer = await open(watched, options);
  trainer.writeWeights(initialWeights(model, 1));
  const windows = exampleWindows(trainer.microBatch, model), step = () => trainer.step(windows, settings);
  const stepMs = await timeSteps(device, { step, now });

  const programs = watched.programsOf(step), times: number[][] = [];
  for (let i = 0; i < steps; i++) {
    const stepTimes: number[] = [];
    for (const program of programs) stepTimes.push(...await device.profile(program));
    times.push(stepTimes);
  }
  return {
    device: device.description,
    timing: device.timing,
    model,
    parameterCount: trainer.parameterCount,
    precision: trainer.precision,
    batch: trainer.microBatch,
    stepMs,
    programs: programs.map((program) => ({
      label: program.label,
      dispatches: watched.dispatchesOf(program).map((dispatch) => ({
        kernel: dispatch.kernel.name,
        shape: dispatch.shape,
        f16: f16Bindings(dispatch),
        work: workOf(dispatch),
      })),
    })),
    times,
    peakBytes: device.memory().peakBytes,
  };
}

/** With half of the default as often as there is no memory for it. */
async function open(device: WatchedDevice, { model, batch, precision = "f32" }: StepProfileOptions): Promise<Trainer> {
  let microBatch = batch ?? Math.max(1, Math.floor(MICRO_BATCH_TOKENS / model.contextLength));
  for (;;) {
    try {
      return await openTrainer({ device, model, microBatch, precision });
    } catch (error) {
      if (!(error instanceof DeviceMemoryError) || batch !== undefined || microBatch === 1) throw error;
      microBatch >>= 1;
    }
  }
}

/** Milliseconds a step, with one wait a round: a wait for a GPU may cost more than a step. */
async function timeSteps(
  device: Device,
  { step, now }: { readonly step: () => void; readonly now: () => number },
): Promise<number> {
  const round = async (count: number) => {
    const startedMs = now();
    for (let i = 0; i < count; i++) step();
    await device.idle();
    return (now() - startedMs) / count;
  };
  await round(1); // compiles what is compiled late, and touches memory
  const count = Math.min(MOST_STEPS_A_ROUND, Math.max(1, Math.round(ROUND_MS / await round(1))));
  const times: number[] = [];
  for (let i = 0; i < ROUNDS; i++) times.push(await round(count));
  return times.sort((a, b) => a - b)[ROUNDS >> 1]!;
}

/** Windows without chance whose tokens are spread over the vocabulary, as those of a text are. */
export function exampleWindows(count: number, { contextLength, vocabularySize }: ModelConfig): Uint32Array[] {
  return Array.from(
    { length: count },
    (_, b) => Uint32Array.from({ length: contextLength + 1 }, (_, t) => (t * t + 31 * b) % vocabularySize),
  );
}
