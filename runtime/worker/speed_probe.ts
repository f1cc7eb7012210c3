/**
 * Measures on the device itself how many sequences at once train fastest.
 * @module
 */
import type { KernelChoice } from "../../kernels/product_choice.ts";
import type { RememberedCurve } from "../batching/speed_curve.ts";
import { type Probe, probeMicroBatch } from "../batching/throughput.ts";
import { type Device, DeviceMemoryError } from "../device/device.ts";
import { measureGflops } from "../device/probe.ts";
import type { ModelConfig } from "../model/config.ts";
import { parameterLayout } from "../model/parameters.ts";
import { BUSY_TOKENS, openFittingTrainer, plansToTry } from "../train/fitting_trainer.ts";
import type { Trainer } from "../train/trainer.ts";
import type { Precision } from "../train/training_graph.ts";
import type { Clock } from "./clock.ts";

export interface SpeedProbeOptions {
  readonly device: Device;
  readonly model: ModelConfig;
  readonly precision: Precision;
  /** Which forms its matrix products have. */
  readonly products: KernelChoice;
  /** Largest micro-batch of interest. */
  readonly most: number;
  readonly clock: Clock;
  /** About what the device trains, to cut the first programs by; undefined: nobody knows. */
  readonly tokensPerSecond?: number | undefined;
}

export interface SpeedProbe extends Probe {
  /** The most that it had in buffers. */
  readonly plannedBytes: number;
}

/** Steps are timed until one measurement has lasted this long. */
const LEAST_MS = 50;
/** No further micro-batch is tried after this time: compiling for one may be slow. */
const BUDGET_MS = 3000;
const SETTINGS = { rate: 0, beta1: 0.9, beta2: 0.99, epsilon: 1e-8, decay: 0, clip: 0 } as const;

/**
 * Times a few steps at some micro-batches, the first step of each untimed.
 * @throws {DeviceMemoryError} with what is needed and what the device has, if not even one sequence fits.
 */
export async function probeSpeed(options: SpeedProbeOptions): Promise<SpeedProbe> {
  const { device, model, precision, products: choice, most, clock } = options, startMs = clock.now();
  let plannedBytes = 0, { tokensPerSecond } = options;
  const refused: DeviceMemoryError[] = [];
  const probe = await probeMicroBatch({
    first: 2 ** Math.max(0, Math.ceil(Math.log2(BUSY_TOKENS / model.contextLength))),
    most,
    mayGoOn: () => clock.now() - startMs < BUDGET_MS,
    async measure(microBatch) {
      try {
        const shape = { model, microBatch, outer: false, precision, choice };
        const { trainer: opened } = await openFittingTrainer({ device, ...shape, tokensPerSecond });
        await using trainer = opened;
        plannedBytes = Math.max(plannedBytes, trainer.plannedBytes);
        return tokensPerSecond = await measureSteps(trainer, model.contextLength, clock);
      } catch (error) {
        if (!(error instanceof DeviceMemoryError)) throw error;
        refused.push(error);
        return null;
      }
    },
  });
  if (probe !== null) return { ...probe, plannedBytes };
  const least = plansToTry({ model, microBatch: 1, precision, choice }).at(-1)!, cause = refused.at(-1);
  throw new DeviceMemoryError(
    `Cannot train this model on ${device.description}: one sequence of ${model.contextLength} tokens takes ` +
      `${least.plannedBytes} bytes there in all. ${cause?.message}. Another device may have more: 'starling devices' lists ` +
      "those of this machine",
    { cause },
  );
}

/** What a probe says of the device, as the beginning of a curve. */
export function curveOf({ readings }: Probe): RememberedCurve {
  const points = readings.flatMap(({ microBatch, tokensPerSecond }) =>
    tokensPerSecond === null ? [] : [{ microBatch, tokensPerSecond }]
  );
  const refused = readings.flatMap(({ microBatch, tokensPerSecond }) => tokensPerSecond === null ? [microBatch] : []);
  return { points, refused: refused.length === 0 ? null : Math.min(...refused) };
}

/** Times a few steps at one micro-batch. */
export async function measureSpeed(
  options: Omit<SpeedProbeOptions, "most"> & { readonly microBatch: number },
): Promise<SpeedProbe> {
  const { model, products: choice, microBatch, clock } = options;
  const { trainer: opened } = await openFittingTrainer({ ...options, choice, outer: false });
  await using trainer = opened;
  return {
    microBatch,
    plannedBytes: trainer.plannedBytes,
    readings: [{ microBatch, tokensPerSecond: await measureSteps(trainer, model.contextLength, clock) }],
  };
}

/**
 * About how many tokens of a model a device trains in a second, before anything of it is compiled: by the speed of some
 * products and 6 operations a parameter and token. Undefined if it has no memory even for those.
 */
export async function roughSpeed(
  device: Device,
  model: ModelConfig,
  measure: (device: Device) => Promise<number> = measureGflops,
): Promise<number | undefined> {
  try {
    return 1e9 * await measure(device) / (6 * parameterLayout(model).parameterCount);
  } catch (error) {
    if (error instanceof DeviceMemoryError) return undefined;
    throw error;
  }
}

async function measureSteps(trainer: Trainer, contextLength: number, clock: Clock): Promise<number> {
  const { microBatch } = trainer;
  const windows = Array.from({ length: microBatch }, () => new Uint32Array(contextLength + 1));
  const step = async () => {
    trainer.step(windows, SETTINGS);
    await trainer.readMetrics();
  };
  await step();
  const startMs = clock.now();
  let ms = 0, steps = 0;
  for (; ms < LEAST_MS && steps < 16; steps++) {
    await step();
    ms = clock.now() - startMs;
  }
  return 1000 * steps * microBatch * contextLength / ms;
}
