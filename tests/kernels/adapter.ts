/**
 * Run alone: says which WebGPU adapter this machine has; exit code 1 if it has none. With `dawn` as argument, which one
 * Dawn finds.
 * @module
 */
import { describeDawn } from "../../runtime/device/dawn.ts";
import { describeWebGpu } from "../../runtime/device/webgpu.ts";

const adapter = await (Deno.args[0] === "dawn" ? describeDawn() : describeWebGpu());
console.log(adapter ?? "no WebGPU adapter");
Deno.exit(adapter === undefined ? 1 : 0);
