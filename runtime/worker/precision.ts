/**
 * Whether a peer trains in f32 or has its activations in f16: what its owner said, or what is right and faster here.
 *
 * It is a choice of one peer: weights, contributions and checkpoints are f32 either way.
 * @module
 */
import { reasonOf } from "../../p2p/reason.ts";
import type { Probe } from "../batching/throughput.ts";
import { type Device, isSoftware } from "../device/device.ts";
import { selfTestF16 } from "../device/f16.ts";
import type { Precision } from "../train/training_graph.ts";

/** What a user may ask for. */
export type PrecisionChoice = "auto" | Precision;

export interface PrecisionDecision {
  readonly precision: Precision;
  /** For people. */
  readonly reason: string;
  /** What was measured on the way. */
  readonly measured: ReadonlyMap<Precision, Probe>;
}

export interface PrecisionOptions {
  readonly device: Device;
  readonly choice: PrecisionChoice;
  /** What an earlier session has taken, and knows the speed of; null: nothing. */
  readonly known: Precision | null;
  /** Whether the precision that is decided on must have been measured even if nothing hangs on it. */
  readonly mustMeasure: boolean;
  measure(precision: Precision): Promise<Probe>;
  /** Null, or what is wrong with f16 on the device. */
  readonly selfTest?: (device: Device) => Promise<string | null>;
}

/** f16 was asked for, and the device is not fit for it. */
export class PrecisionError extends Error {
  override readonly name = "PrecisionError";
}

/** f16 must be faster by this factor: it is never as exact. */
const WORTHWHILE = 1.05;

/**
 * Decides, measuring what it needs to.
 * @throws {PrecisionError} if f16 was asked for and the device is not fit for it.
 */
export async function decidePrecision(options: PrecisionOptions): Promise<PrecisionDecision> {
  const { device, choice, known, mustMeasure, selfTest = selfTestF16 } = options;
  const measured = new Map<Precision, Probe>();
  const measure = async (precision: Precision) => {
    const probe = await options.measure(precision);
    measured.set(precision, probe);
    return probe;
  };
  const decided = async (precision: Precision, reason: string): Promise<PrecisionDecision> => {
    if (mustMeasure && precision !== known && !measured.has(precision)) await measure(precision);
    return { precision, reason, measured };
  };

  if (choice === "f32") return await decided("f32", "it was asked for");
  if (choice === "auto" && !device.storesF16) return await decided("f32", "the device cannot store f16");
  if (choice === "auto" && isSoftware(device.description)) {
    return await decided("f32", "a software driver gains nothing by f16");
  }
  const problem = await selfTest(device).catch((error) => `it broke (${reasonOf(error)})`);
  if (choice === "f16") {
    if (problem === null) return await decided("f16", "it was asked for, and the device passes its self-test");
    throw new PrecisionError(
      `Cannot train in f16 on ${device.description}: ${problem}. Use --precision f32 or auto`,
    );
  }
  if (problem !== null) return await decided("f32", `not f16, because the device fails its self-test: ${problem}`);
  if (known === "f16") return await decided("f16", "as in the last session"); // f32 may only have been asked for there
  const f32 = await tried(measure("f32")), f16 = await tried(measure("f16"));
  const told = `f16 ${f16.told}, f32 ${f32.told}`;
  if (f16.error === null && f16.speed > WORTHWHILE * f32.speed) return await decided("f16", told);
  if (f32.error === null) return await decided("f32", told);
  throw f32.error;
}

/** How a measurement went. One may fail where the other does not: for lack of memory, or by a shader. */
async function tried(measurement: Promise<Probe>) {
  try {
    const speed = speedOf(await measurement);
    return { speed, error: null, told: `trains ${Math.round(speed)} tokens/s` };
  } catch (error) {
    return { speed: 0, error, told: `does not work here (${reasonOf(error)})` };
  }
}

function speedOf({ microBatch, readings }: Probe): number {
  return readings.find((reading) => reading.microBatch === microBatch)?.tokensPerSecond ?? 0;
}
