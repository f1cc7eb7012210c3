/**
 * The suites of all devices and of GPUs on `dawn`. In a file of its own, and so in a process: Dawn may need another driver
 * than the WebGPU that is built in.
 */
import { openDawnDevice } from "../../runtime/device/dawn.ts";
import { dawnHere } from "../kernels/dawn.ts";
import { testDevice } from "./device.ts";
import { testGpuDevice } from "./gpu_device.ts";

const dawn = await dawnHere();
if (!dawn.ok) console.warn(`Tests of the dawn device are skipped: ${dawn.problem}`);

const provider = {
  name: "dawn",
  open: openDawnDevice,
  test: (name: string, fn: () => Promise<void>) =>
    Deno.test({ name: dawn.ok ? name : `${name} (${dawn.problem})`, ignore: !dawn.ok, fn }),
};
testDevice(provider);
testGpuDevice({ ...provider, undeclared: /unresolved value 'valeu'/ });
