import { strict as assert } from "node:assert";
import { fill } from "../../kernels/fill.ts";
import { openCpuDevice } from "../../runtime/device/cpu.ts";
import { whole } from "../../runtime/device/device.ts";
import { openPlainDevice } from "../../runtime/device/plain.ts";
import { openWebGpuDevice } from "../../runtime/device/webgpu.ts";
import { blasTest } from "../kernels/blas.ts";
import { gpuTest } from "../kernels/check.ts";
import { type DeviceProvider, testDevice } from "./device.ts";
import { testGpuDevice } from "./gpu_device.ts";

const always = (name: string, fn: () => Promise<void>) => Deno.test(name, fn);

const webgpu = { name: "webgpu", open: openWebGpuDevice, test: gpuTest };

const providers: readonly DeviceProvider[] = [
  { name: "plain", open: () => Promise.resolve(openPlainDevice()), test: always },
  { name: "cpu", open: () => openCpuDevice({ threads: 2, blas: "off" }), test: always },
  {
    name: "cpu with a library's products",
    open: () => openCpuDevice({ threads: 2, libraryWork: 0 }),
    test: blasTest,
  },
  webgpu,
];

for (const provider of providers) testDevice(provider);

testGpuDevice({ ...webgpu, undeclared: /no definition in scope for identifier: `valeu`/ });

gpuTest("webgpu device: a profile goes by timestamps where the adapter has them, and costs one wait", async () => {
  const adapter = await navigator.gpu.requestAdapter({ powerPreference: "high-performance" });
  await using device = await openWebGpuDevice();
  const spans = { value: whole(device.allocate(1, "value")), y: whole(device.allocate(4, "y")) };
  const dispatches = Array.from({ length: 50 }, () => ({ kernel: fill, shape: { COUNT: 4 }, spans }));
  const program = await device.prepare(dispatches, "program");
  await device.profile(program);
  assert.equal(device.timing, adapter!.features.has("timestamp-query") ? "timestamps" : "clock");
  const waits = countWaits(), times = await device.profile(program);
  assert.equal(
    waits(),
    device.timing === "timestamps" ? 1 : times.length + 3,
    "by the clock each dispatch is waited for",
  );
});

/** How often a GPU is waited for from now until the result is called. */
function countWaits(): () => number {
  const { mapAsync } = GPUBuffer.prototype, { onSubmittedWorkDone } = GPUQueue.prototype;
  let count = 0;
  GPUBuffer.prototype.mapAsync = function (...args) {
    count++;
    return mapAsync.apply(this, args);
  };
  GPUQueue.prototype.onSubmittedWorkDone = function () {
    count++;
    return onSubmittedWorkDone.apply(this);
  };
  return () => {
    Object.assign(GPUBuffer.prototype, { mapAsync });
    Object.assign(GPUQueue.prototype, { onSubmittedWorkDone });
    return count;
  };
}
