/**
 * The providers of GPU devices that benchmarks open, each with what is to be known of its driver.
 *
 * A provider that is added to the list is in every benchmark that goes through it. Dawn is opened where there is a real
 * GPU, as `auto` does it; on a software driver there is nothing to choose.
 * @module
 */
import { type Device, isSoftware } from "../runtime/device/device.ts";
import { openDawnDevice } from "../runtime/device/dawn.ts";
import { openWebGpuDevice } from "../runtime/device/webgpu.ts";
import type { About } from "./contest.ts";
import type { BenchLine } from "./line.ts";
import { openOrSay } from "./training.ts";

interface GpuProvider {
  /** Before the adapter's name in lines. */
  readonly name: string;
  open(): Promise<Device>;
  /** What its adapter tells of itself and its driver, if it can be asked. */
  adapterInfo?(): Promise<GPUAdapterInfo | undefined>;
  /** Whether it is for real GPUs alone, those that were found before it. */
  readonly isForRealGpus?: true;
}

const GPU_PROVIDERS: readonly GpuProvider[] = [
  {
    name: "webgpu",
    open: () => openWebGpuDevice(),
    adapterInfo: async () => (await navigator.gpu.requestAdapter({ powerPreference: "high-performance" }))?.info,
  },
  { name: "dawn", open: () => openDawnDevice(), isForRealGpus: true },
];

export type OpenedGpu =
  | { readonly ok: true; readonly device: Device; readonly about: About; readonly isSoftware: boolean }
  /** Why there is none, as a line. */
  | { readonly ok: false; readonly line: BenchLine };

/** Opens one after the other; each is closed when the next is asked for. */
export async function* openGpus(name: string): AsyncGenerator<OpenedGpu> {
  let hasRealGpu = false;
  for (const provider of GPU_PROVIDERS) {
    if (provider.isForRealGpus === true && !hasRealGpu) continue;
    const device = await openOrSay(() => provider.open());
    if (typeof device === "string") {
      yield { ok: false, line: { name, device: `${provider.name}, skipped`, reason: device } };
      continue;
    }
    await using _ = device;
    const about = { device: `${provider.name}: ${device.description}`, driver: await driverOf(provider, device) };
    hasRealGpu ||= !isSoftware(device.description);
    yield { ok: true, device, about, isSoftware: isSoftware(device.description) };
  }
}

/** The adapter's own words; of NVIDIA's, which leave the version out, that too. */
async function driverOf(provider: GpuProvider, opened: Device): Promise<string> {
  const info = await provider.adapterInfo?.();
  if (info === undefined) return opened.description;
  const { description, vendor, architecture, device } = info;
  const parts = [
    description,
    vendor === "" ? "" : `vendor ${vendor}`,
    architecture,
    device === "" ? "" : `device ${device}`,
  ];
  const version = /nvidia/i.test(description) ? await nvidiaDriver() : "";
  return [...parts, version].filter((part) => part !== "").join(", ");
}

async function nvidiaDriver(): Promise<string> {
  try {
    const args = ["--query-gpu=driver_version", "--format=csv,noheader"];
    const { code, stdout } = await new Deno.Command("nvidia-smi", { args, stderr: "null" }).output();
    return code === 0 ? `driver ${new TextDecoder().decode(stdout).trim().split("\n")[0]}` : "";
  } catch {
    return ""; // the program is not there
  }
}
