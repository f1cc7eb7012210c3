/**
 * Opens the device that a user asked for, or the one that trains fastest on this host.
 *
 * `auto` opens all, measures each for a moment and closes all but one. The decision is `chooseDevice`, a pure function
 * of the measurements, and its reason is for the user's eyes.
 * @module
 */
import { reasonOf } from "../../p2p/reason.ts";
import { blasChoice, findBlas } from "./blas.ts";
import { openCpuDevice } from "./cpu.ts";
import type { Device, DeviceKind } from "./device.ts";
import { measureGflops } from "./probe.ts";
import { selfTestF16 } from "./f16.ts";
import { openWebGpuDevice } from "./webgpu.ts";

/** What a user may ask for. */
export type DeviceChoice = "auto" | "cpu" | "webgpu";
type Offered = Exclude<DeviceChoice, "auto">;

/** How devices are opened and measured; the defaults are right but for tests. */
export interface OpenDeviceOptions {
  /** Threads of the cpu device; the default is one a core. */
  readonly threads?: number;
  /** What opens each device, in the order in which they are tried. */
  readonly providers?: DeviceProviders;
  /** The measurement, in GFLOP/s. */
  readonly measure?: (device: Device) => Promise<number>;
}

export type DeviceProviders = Readonly<Record<Offered, () => Promise<Device>>>;

/** What is known of one device of this host. */
export type Measurement =
  | { readonly kind: Offered; readonly ok: true; readonly description: string; readonly gflops: number }
  | { readonly kind: Offered; readonly ok: false; readonly problem: string };

/** The device that `auto` takes, and why, for people. */
export interface Choice {
  readonly kind: Offered;
  readonly reason: string;
}

/** An open device and why it was chosen. */
export interface OpenedDevice {
  readonly device: Device;
  readonly reason: string;
  /** What `auto` measured; empty if the device was asked for. */
  readonly measurements: readonly Measurement[];
}

/** No device of this host works. */
export class NoDeviceError extends Error {
  override readonly name = "NoDeviceError";
}

/** Opens a device; the caller closes it. */
export async function openDevice(choice: DeviceChoice, options: OpenDeviceOptions = {}): Promise<OpenedDevice> {
  const providers = options.providers ?? providersFor(options);
  if (choice !== "auto") return { device: await providers[choice](), reason: "it was asked for", measurements: [] };
  const { measurements, devices } = await measureAll(providers, options);
  try {
    const { kind, reason } = chooseDevice(measurements);
    const device = devices.get(kind)!;
    devices.delete(kind);
    return { device, reason, measurements };
  } finally {
    for (const device of devices.values()) await device[Symbol.asyncDispose]();
  }
}

/** All that can be said of the devices of this host. */
export interface DeviceList {
  readonly measurements: readonly Measurement[];
  /** Which of them `auto` would take. */
  readonly choice: Choice;
  /** Of each that works: null if f16 can be used there, or why not. */
  readonly f16Problems: ReadonlyMap<DeviceKind, string | null>;
  /** Null if a library does the cpu device's matrix products, or why not. */
  readonly blasProblem: string | null;
}

/** All devices of this host with their speeds, and what becomes of f16 there. */
export async function listDevices(options: OpenDeviceOptions = {}): Promise<DeviceList> {
  const { measurements, devices } = await measureAll(options.providers ?? providersFor(options), options);
  const f16Problems = new Map<DeviceKind, string | null>();
  for (const [kind, device] of devices) {
    f16Problems.set(kind, await selfTestF16(device).catch((error) => `it broke (${reasonOf(error)})`));
    await device[Symbol.asyncDispose]();
  }
  const { blas, problem: blasProblem } = findBlas(blasChoice());
  blas?.[Symbol.dispose]();
  return { measurements, choice: chooseDevice(measurements), f16Problems, blasProblem };
}

/**
 * The faster one, in any order of the measurements. A software driver is never chosen: it runs shaders on the cores
 * that the cpu device uses better, and a measurement taken while they are busy must not say otherwise.
 * @throws {NoDeviceError} if no device works, with each one's problem.
 */
export function chooseDevice(measurements: readonly Measurement[]): Choice {
  const working = measurements.filter((measurement) => measurement.ok).toSorted(fasterFirst);
  const best = working.find(({ description }) => !isSoftware(description)) ?? working[0];
  const others = measurements.filter(({ kind }) => kind !== best?.kind).toSorted((a, b) => a.kind < b.kind ? -1 : 1);
  const reasons = others.map((other) => {
    if (!other.ok) return `${other.kind} does not work here (${other.problem})`;
    if (isSoftware(other.description)) return `${other.kind} is ${other.description} (${speed(other)})`;
    return `${other.kind} reaches ${speed(other)}`;
  });
  if (best === undefined) {
    throw new NoDeviceError(
      `Cannot choose a device: ${
        reasons.join("; ")
      }. Install a GPU driver, or run where workers and shared memory are allowed`,
    );
  }
  return { kind: best.kind, reason: [`${best.kind} reaches ${speed(best)}`, ...reasons].join("; ") };
}

type Working = Extract<Measurement, { ok: true }>;

/** Of equals the GPU, which leaves the cores to others. */
function fasterFirst(a: Working, b: Working): number {
  return b.gflops - a.gflops || (a.kind < b.kind ? 1 : -1);
}

/** Whether a device is a driver that runs shaders on the processor, by its description. */
export function isSoftware(description: string): boolean {
  return /software/i.test(description);
}

function speed({ gflops }: Working): string {
  return `${gflops.toPrecision(3)} GFLOP/s`;
}

function providersFor(options: OpenDeviceOptions): DeviceProviders {
  return { cpu: () => openCpuDevice(options), webgpu: () => openWebGpuDevice() };
}

/** One after the other, so that they do not slow each other down. */
async function measureAll(
  providers: DeviceProviders,
  { measure = measureGflops }: OpenDeviceOptions,
): Promise<{ measurements: Measurement[]; devices: Map<Offered, Device> }> {
  const measurements: Measurement[] = [], devices = new Map<Offered, Device>();
  for (const kind of ["cpu", "webgpu"] as const) {
    try {
      const device = await providers[kind]();
      devices.set(kind, device);
      measurements.push({ kind, ok: true, description: device.description, gflops: await measure(device) });
    } catch (error) {
      measurements.push({ kind, ok: false, problem: reasonOf(error) });
    }
  }
  return { measurements, devices };
}
