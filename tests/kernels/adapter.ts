/**
 * Run alone: says which WebGPU adapter this machine has; exit code 1 if it has none.
 * @module
 */
import { describeWebGpu } from "../../runtime/device/webgpu.ts";

const adapter = await describeWebGpu();
console.log(adapter ?? "no WebGPU adapter");
Deno.exit(adapter === undefined ? 1 : 0);
