/**
 * The `webgpu` device: the WebGPU that is built into Deno, and into browsers.
 *
 * It finds the adapter and names it; what a device does is in `webgpu_device.ts`. It is the only file that says
 * `navigator.gpu`.
 * @module
 */
import type { Device } from "./device.ts";
import { NoAdapterError, openOnAdapter, type WebGpuOptions, withSoftwareNamed } from "./webgpu_device.ts";

/** For people: the name of the GPU that `openWebGpuDevice` would open, or undefined if there is none. */
export async function describeWebGpu(): Promise<string | undefined> {
  const adapter = await requestAdapter();
  return adapter === null ? undefined : describe(adapter.info);
}

/**
 * Opens the GPU with all the limits that its driver has.
 * @throws {NoAdapterError} if there is none.
 */
export async function openWebGpuDevice(options: WebGpuOptions = {}): Promise<Device> {
  const adapter = await requestAdapter();
  if (adapter === null) {
    throw new NoAdapterError(
      "Cannot open a WebGPU device: no adapter found. Install a Vulkan driver (on Debian mesa-vulkan-drivers serves " +
        "machines without a GPU), or use the cpu device",
    );
  }
  return await openOnAdapter(adapter, {
    ...options,
    kind: "webgpu",
    description: describe(adapter.info),
  });
}

/** The fast GPU of a machine that has two. */
function requestAdapter(): Promise<GPUAdapter | null> {
  return navigator.gpu?.requestAdapter({ powerPreference: "high-performance" }) ?? Promise.resolve(null); // absent in some browsers
}

function describe({ vendor, architecture, device, description }: GPUAdapterInfo): string {
  const name = description || [vendor, architecture, device].filter((part) => part !== "").join(" ") || "unnamed GPU";
  return withSoftwareNamed(name);
}
