/**
 * Asks an adapter for all that the kernels can use: the limits of its driver, f16, timestamps and what variants need.
 *
 * The one thing to know before editing: Deno grants subgroups and does not list them, so they are asked for and, if the
 * adapter refuses, done without. And compilers differ: Tint must be told `enable subgroups;`, naga refuses the line. So
 * a shader of one line is compiled to see which it is.
 * @module
 */
import type { GpuFeature } from "../../kernels/kernel.ts";
import { directivesOf } from "../../kernels/kernel_text.ts";
import type { Device } from "./device.ts";
import { MATRIX_UNITS } from "./matrix_units.ts";
import { selfTestSubgroups } from "./subgroups.ts";
import type { Dialect } from "./webgpu_pipelines.ts";

/** A GPU as it was granted. */
export interface GrantedGpu extends Required<Pick<Device, "storesF16" | "faults">>, Dialect {
  readonly gpu: GPUDevice;
}

export async function requestGpu(
  adapter: GPUAdapter,
  { timestamps }: { readonly timestamps: boolean },
): Promise<GrantedGpu> {
  const { limits } = adapter, storesF16 = adapter.features.has("shader-f16");
  const used = ["shader-f16", MATRIX_UNITS, ...timestamps ? ["timestamp-query"] as const : []] as const;
  const listed = used.filter((feature) => adapter.features.has(feature));
  const request = (requiredFeatures: GPUFeatureName[]) =>
    adapter.requestDevice({
      requiredFeatures,
      requiredLimits: {
        maxBufferSize: limits.maxBufferSize,
        maxStorageBufferBindingSize: limits.maxStorageBufferBindingSize,
        maxStorageBuffersPerShaderStage: limits.maxStorageBuffersPerShaderStage,
        maxComputeWorkgroupStorageSize: limits.maxComputeWorkgroupStorageSize,
        maxComputeInvocationsPerWorkgroup: limits.maxComputeInvocationsPerWorkgroup,
        maxComputeWorkgroupSizeX: limits.maxComputeWorkgroupSizeX,
        maxComputeWorkgroupSizeY: limits.maxComputeWorkgroupSizeY,
      },
    });
  const gpu = await request([...listed, "subgroups"]).catch(() => request(listed));
  const enables = await compiles(gpu, directivesOf("subgroups"));
  const features = new Set<GpuFeature>(), faults: string[] = [];
  if (gpu.features.has("subgroups")) {
    const problem = await selfTestSubgroups(gpu, enables);
    if (problem === null) features.add("subgroups");
    else faults.push(`subgroups: ${problem}`);
  }
  return { gpu, storesF16, features, faults, enables };
}

/** Whether a shader may say so. */
async function compiles(gpu: GPUDevice, directives: readonly string[]): Promise<boolean> {
  gpu.pushErrorScope("validation");
  gpu.createShaderModule({ label: "directives", code: directives.join("\n") });
  return await gpu.popErrorScope() === null;
}
