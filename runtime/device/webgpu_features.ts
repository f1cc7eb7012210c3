/**
 * Asks an adapter for all that the kernels can use: the limits of its driver, f16, timestamps and what variants need.
 * @module
 */
import type { Device } from "./device.ts";
import { MATRIX_UNITS } from "./matrix_units.ts";

/** A GPU as it was granted. */
export interface GrantedGpu extends Pick<Device, "storesF16" | "features"> {
  readonly gpu: GPUDevice;
}

export async function requestGpu(
  adapter: GPUAdapter,
  { timestamps }: { readonly timestamps: boolean },
): Promise<GrantedGpu> {
  const { limits } = adapter, storesF16 = adapter.features.has("shader-f16");
  const used = ["shader-f16", "subgroups", MATRIX_UNITS, ...timestamps ? ["timestamp-query"] as const : []] as const;
  const gpu = await adapter.requestDevice({
    requiredFeatures: used.filter((feature) => adapter.features.has(feature)),
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
  return { gpu, storesF16, features: new Set() };
}
