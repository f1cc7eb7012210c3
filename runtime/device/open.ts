/**
 * Opens the device that a user asked for, or the one that trains fastest on this host.
 *
 * `auto` opens `cpu` and `webgpu`, measures each for a moment and closes all but one; where there is a GPU, `dawn` is
 * measured in a process of its own. The decision is `chooseDevice`, a pure function of the measurements, and its reason
 * is for the user's eyes.
 * @module
 */
import { reasonOf } from "../../p2p/reason.ts";
import { blasChoice, findBlas } from "./blas.ts";
import { openCpuDevice } from "./cpu.ts";
import type { DawnTrial } from "./dawn_trial.ts";
import { type Device, type DeviceKind, isSoftware } from "./device.ts";
import { measureGflops } from "./probe.ts";
import { selfTestF16 } from "./f16.ts";
import { openWebGpuDevice } from "./webgpu.ts";

/** What a user may ask for. */
export type DeviceChoice = "auto" | "cpu" | "webgpu" | "dawn";
type Offered = Exclude<DeviceChoice, "auto">;

/** How devices are opened and measured; the defaults are right but for tests. */
export interface OpenDeviceOptions {
  /** Threads of the cpu device; the default is one a core. */
  readonly threads?: number;
  /** What opens each device. */
  readonly providers?: DeviceProviders;
  /** The measurement, in GFLOP/s. */
  readonly measure?: (device: Device) => Promise<number>;
  /** The same of Dawn, which is not opened for it here. */
  readonly tryDawn?: (options: OpenDeviceOptions) => Promise<DawnTrial>;
  /** Told what takes a while, for people: that a library is fetched. */
  onNotice?(message: string): void;
}

export type DeviceProviders = Readonly<Record<Offered, () => Promise<Device>>>;

/** What is known of one device of this host. */
export type Measurement =
  | { readonly kind: Offered; readonly ok: true; readonly description: string; readonly gflops: number }
  | {
    readonly kind: Offered;
    readonly ok: false;
    readonly problem: string;
    /** It may well work, and would not help: nothing to tell a user who did not ask for all devices. */
    readonly untried?: true;
  };

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
    return await takeBest(measurements, { devices, providers });
  } finally {
    for (const device of devices.values()) await device[Symbol.asyncDispose]();
  }
}

/** Takes it out of the devices that are open, or opens it; one that does not open counts as one that does not work. */
async function takeBest(
  measurements: readonly Measurement[],
  { devices, providers }: { readonly devices: Map<Offered, Device>; readonly providers: DeviceProviders },
): Promise<OpenedDevice> {
  const { kind, reason } = chooseDevice(measurements), open = devices.get(kind);
  devices.delete(kind);
  try {
    return { device: open ?? await providers[kind](), reason, measurements };
  } catch (error) {
    const failed: Measurement = { kind, ok: false, problem: reasonOf(error) };
    return await takeBest(measurements.map((one) => one.kind === kind ? failed : one), { devices, providers });
  }
}

/** All that can be said of the devices of this host. */
export interface DeviceList {
  readonly measurements: readonly Measurement[];
  /** Which of them `auto` would take. */
  readonly choice: Choice;
  /** Of each that works: null if f16 can be used there, or why not. */
  readonly f16Problems: ReadonlyMap<DeviceKind, string | null>;
  /** Of each that works: what its self-tests found wrong. */
  readonly faults: ReadonlyMap<DeviceKind, readonly string[]>;
  /** Null if a library does the cpu device's matrix products, or why not. */
  readonly blasProblem: string | null;
}

/** All devices of this host with their speeds, and what becomes of f16 there. */
export async function listDevices(options: OpenDeviceOptions = {}): Promise<DeviceList> {
  const { measurements, devices, dawn } = await measureAll(options.providers ?? providersFor(options), options);
  const f16Problems = new Map<DeviceKind, string | null>(), faults = new Map<DeviceKind, readonly string[]>();
  for (const [kind, device] of devices) {
    faults.set(kind, device.faults ?? []);
    f16Problems.set(kind, await selfTestF16(device).catch((error) => `it broke (${reasonOf(error)})`));
    await device[Symbol.asyncDispose]();
  }
  if (dawn !== null) {
    f16Problems.set("dawn", dawn.f16Problem);
    faults.set("dawn", dawn.faults);
  }
  const { blas, problem: blasProblem } = findBlas(blasChoice());
  blas?.[Symbol.dispose]();
  return { measurements, choice: chooseDevice(measurements), f16Problems, faults, blasProblem };
}

/** What Dawn must be faster by: two measurements of one GPU differ by less, and a library less is a worry less. */
const DAWN_MARGIN = 0.05;

/**
 * The faster one, in any order of the measurements. A software driver is never chosen: it runs shaders on the cores
 * that the cpu device uses better, and a measurement taken while they are busy must not say otherwise.
 * @throws {NoDeviceError} if no device works, with each one's problem.
 */
export function chooseDevice(measurements: readonly Measurement[]): Choice {
  const working = measurements.filter((measurement) => measurement.ok).toSorted(fasterFirst);
  const best = working.find(({ description }) => !isSoftware(description)) ?? working[0];
  const others = measurements.filter((one) => one.kind !== best?.kind && (one.ok || one.untried !== true)).toSorted((
    a,
    b,
  ) => a.kind < b.kind ? -1 : 1);
  const reasons = others.map((other) => {
    if (!other.ok) return `${other.kind} does not work here (${other.problem})`;
    if (isSoftware(other.description)) return `${other.kind} is ${other.description} (${speed(other)})`;
    const isNear = best !== undefined && other.gflops > best.gflops;
    return `${other.kind} reaches ${speed(other)}${isNear ? `, which is less than ${100 * DAWN_MARGIN} % more` : ""}`;
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
  const counted = ({ kind, gflops }: Working) => kind === "dawn" ? gflops / (1 + DAWN_MARGIN) : gflops;
  return counted(b) - counted(a) || (a.kind < b.kind ? 1 : -1);
}

function speed({ gflops }: Working): string {
  return `${gflops.toPrecision(3)} GFLOP/s`;
}

function providersFor(options: OpenDeviceOptions): DeviceProviders {
  return {
    cpu: () => openCpuDevice(options),
    webgpu: () => openWebGpuDevice(),
    dawn: async () => await (await import("./dawn.ts")).openDawnDevice(options), // a browser has no such file
  };
}

/** One after the other, so that they do not slow each other down. */
async function measureAll(
  providers: DeviceProviders,
  { measure = measureGflops, ...options }: OpenDeviceOptions,
): Promise<{ measurements: Measurement[]; devices: Map<Offered, Device>; dawn: DawnTrial | null }> {
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
  const dawn = await measureDawn(measurements, options);
  return { measurements: [...measurements, dawn.measurement], devices, dawn: dawn.trial };
}

/** Only where it can be of use: it is no small thing to fetch, and no other software driver is needed. */
async function measureDawn(
  others: readonly Measurement[],
  options: OpenDeviceOptions,
): Promise<{ readonly measurement: Measurement; readonly trial: DawnTrial | null }> {
  const without = (problem: string, untried: { untried?: true } = {}) => {
    return { measurement: { kind: "dawn", ok: false, problem, ...untried } as const, trial: null };
  };
  const gpu = others.find(({ kind }) => kind === "webgpu");
  if (!gpu?.ok) return without("not tried, since no GPU was found", { untried: true });
  if (isSoftware(gpu.description)) {
    return without("not tried, since there is only a software driver", { untried: true });
  }
  try {
    const trial = await (options.tryDawn ?? (await import("./dawn_trial.ts")).tryDawn)(options);
    const { description, gflops } = trial;
    return { measurement: { kind: "dawn", ok: true, description, gflops }, trial };
  } catch (error) {
    return without(reasonOf(error));
  }
}
