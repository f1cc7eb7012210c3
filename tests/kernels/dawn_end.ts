/**
 * A program that uses Dawn's null backend and ends in the way that its argument names; it prints what it got to.
 *
 * A library of native code must not keep a process from ending, or crash it then. `runtime/device/dawn_test.ts` looks at
 * its exit code.
 * @module
 */
import { fill } from "../../kernels/fill.ts";
import { openDawnDevice } from "../../runtime/device/dawn.ts";
import { type Device, whole } from "../../runtime/device/device.ts";

/** Opens a device and leaves work and a read on it unfinished. */
async function openBusy(): Promise<Device> {
  const device = await openDawnDevice({ backend: "null" });
  const value = whole(device.allocate(1, "value")), y = whole(device.allocate(1 << 20, "y"));
  device.run(await device.prepare([{ kernel: fill, shape: { COUNT: 1 << 20 }, spans: { value, y } }], "fill"));
  void device.read([y]).catch(() => {}); // it is closed before it is done
  return device;
}

const isWorker = "postMessage" in globalThis;
const way = isWorker ? "in a worker" : Deno.args[0];
switch (way) {
  case "in a worker": {
    await openBusy();
    (globalThis as unknown as { postMessage(message: string): void }).postMessage("busy"); // typed as a window's here
    break;
  }
  case "closed": {
    const device = await openBusy();
    await device[Symbol.asyncDispose]();
    break;
  }
  case "after the garbage collector has looked": {
    const device = await openDawnDevice({ backend: "null" });
    for (let look = 0; look < 20; look++) {
      (globalThis as unknown as { gc(): void }).gc(); // there by --expose-gc
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    await device.read([whole(device.allocate(16, "late"))]);
    await device[Symbol.asyncDispose]();
    break;
  }
  case "left open":
    await openBusy();
    break;
  case "exit":
    await openBusy();
    console.log(way);
    Deno.exit(0);
    break;
  case "worker terminated":
  case "two workers terminated":
  case "worker left": {
    const workers = Array.from({ length: way.startsWith("two") ? 2 : 1 }, () => {
      return new Worker(import.meta.url, { type: "module" });
    });
    await Promise.all(workers.map((worker) => new Promise((resolve) => worker.onmessage = resolve)));
    if (way !== "worker left") workers.forEach((worker) => worker.terminate());
    console.log(way);
    if (way === "worker left") Deno.exit(0);
    break;
  }
}
if (!isWorker && !way!.includes("worker")) console.log(way);
