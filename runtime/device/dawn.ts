/**
 * The `dawn` device: WebGPU by the Dawn library, behind the same code as `webgpu`.
 *
 * What it has over Deno's own: waits that cost tenths of a millisecond instead of 11, another compiler (Tint),
 * f16 on NVIDIA's Linux driver, and matrix units. It loads the library and finds the adapter; what a device does is in
 * `webgpu_device.ts`, where the library comes from in `dawn_package.ts`.
 *
 * Accesses beyond a binding stay checked (Dawn's `robustness`, as in Deno): ids, positions and places are data, some of
 * it of strangers, and no test proves that a kernel is right for all of them.
 *
 * The one thing to know before editing: Dawn crashes the process if its instance is collected before its devices, so
 * each thread keeps the ones that it made.
 * @module
 */
import { createRequire } from "node:module";
import { reasonOf } from "../../p2p/reason.ts";
import { DAWN_VERSION, dawnFile, type DawnFileOptions, NoDawnError } from "./dawn_package.ts";
import { slowTicks } from "./dawn_ticks.ts";
import type { Device } from "./device.ts";
import { openOnAdapter, type WebGpuOptions, withSoftwareNamed } from "./webgpu_device.ts";

export interface DawnOptions extends WebGpuOptions, Partial<DawnFileOptions> {
  /** "null": no GPU at all; checks and compiles everything and computes nothing, for tests. Default: a GPU. */
  readonly backend?: "null";
}

/** What the library exports. */
interface DawnLibrary {
  create(options: readonly string[]): GPU;
  /** Its classes. */
  readonly globals: Parameters<typeof slowTicks>[0];
}

/**
 * Of the switches of Dawn: what is experimental, which matrix units are; f16 where its own tests failed for some drivers
 * of NVIDIA (ours decide); matrix units on Vulkan; and timestamps as they are, not rounded to 0.1 ms.
 */
const SWITCHES = [
  "enable-dawn-features=allow_unsafe_apis,vulkan_enable_f16_on_nvidia,use_vulkan_memory_model",
  "disable-dawn-features=timestamp_quantization",
];

const instances = new Map<string, GPU>();

/**
 * Opens the GPU with all the limits that its driver has.
 * @throws {NoDawnError} if the library cannot be had or loaded, or finds no GPU that it can use.
 */
export async function openDawnDevice(options: DawnOptions = {}): Promise<Device> {
  const adapter = await requestAdapter(options);
  if (adapter === null) {
    throw new NoDawnError("finds no GPU that it can use; a newer driver may help");
  }
  const { timestamps } = options, description = describe(adapter.info);
  return await openOnAdapter(adapter, {
    ...(timestamps === undefined ? {} : { timestamps }),
    kind: "dawn",
    description,
  });
}

/** For people: the name of the GPU that `openDawnDevice` would open, or undefined if there is none. */
export async function describeDawn(options: DawnOptions = {}): Promise<string | undefined> {
  const adapter = await requestAdapter(options);
  return adapter === null ? undefined : describe(adapter.info);
}

async function requestAdapter(options: DawnOptions): Promise<GPUAdapter | null> {
  const switches = options.backend === undefined ? SWITCHES : [`backend=${options.backend}`, ...SWITCHES];
  const key = switches.join(" ");
  let instance = instances.get(key);
  if (instance === undefined) instances.set(key, instance = await createInstance(options, switches));
  return await instance.requestAdapter({ powerPreference: "high-performance" });
}

async function createInstance(options: DawnOptions, switches: readonly string[]): Promise<GPU> {
  const file = await dawnFile({ fetching: "asked", ...options });
  try {
    const library: DawnLibrary = createRequire(file)(file);
    if (instances.size === 0) slowTicks(library.globals);
    return library.create(switches);
  } catch (error) {
    throw new NoDawnError(`does not load (${reasonOf(error)})`);
  }
}

/** Dawn's description is the driver's version, so that with another driver it is measured anew. */
function describe({ vendor, architecture, device, description }: GPUAdapterInfo): string {
  const name = [vendor, architecture, device].filter((part) => part !== "").join(" ") || "unnamed GPU";
  const driver = description === "" ? "" : ` (${description})`;
  return withSoftwareNamed(`${name}${driver}, through Dawn ${DAWN_VERSION}`);
}
