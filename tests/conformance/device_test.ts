import { strict as assert } from "node:assert";
import { fill } from "../../kernels/fill.ts";
import { openCpuDevice } from "../../runtime/device/cpu.ts";
import { DeviceLostError, KernelError, whole } from "../../runtime/device/device.ts";
import { openPlainDevice } from "../../runtime/device/plain.ts";
import { openWebGpuDevice } from "../../runtime/device/webgpu.ts";
import { blasTest } from "../kernels/blas.ts";
import { gpuTest } from "../kernels/check.ts";
import { type DeviceProvider, testDevice } from "./device.ts";

const always = (name: string, fn: () => Promise<void>) => Deno.test(name, fn);

const providers: readonly DeviceProvider[] = [
  { name: "plain", open: () => Promise.resolve(openPlainDevice()), test: always },
  { name: "cpu", open: () => openCpuDevice({ threads: 2, blas: "off" }), test: always },
  {
    name: "cpu with a library's products",
    open: () => openCpuDevice({ threads: 2, libraryWork: 0 }),
    test: blasTest,
  },
  { name: "webgpu", open: () => openWebGpuDevice(), test: gpuTest },
];

for (const provider of providers) testDevice(provider);

// The rest is true of WebGPU alone: no other device compiles WGSL, or can be lost.

gpuTest(
  "webgpu device: a shader that does not compile is named, with the compiler's message and numbered source",
  async () => {
    await using device = await openWebGpuDevice();
    const broken = { ...fill, name: "broken", source: fill.source.replace("value[0]", "valeu[0]") };
    const spans = { value: whole(device.allocate(1, "value")), y: whole(device.allocate(4, "y")) };
    await assert.rejects(device.prepare([{ kernel: broken, shape: { COUNT: 4 }, spans }], "bad"), (error: Error) => {
      assert.ok(error instanceof KernelError);
      assert.match(error.message, /^Cannot compile broken for \{"COUNT":4\}: /);
      assert.match(error.message, /no definition in scope for identifier: `valeu`/);
      const line = broken.source.split("\n").findIndex((text) => text.includes("valeu")) + 1;
      assert.ok(error.message.includes(`${line} |   if (i < COUNT) { y[i] = valeu[0]; }`), error.message);
      return true;
    });
    const program = await device.prepare([{ kernel: fill, shape: { COUNT: 4 }, spans }], "good"); // it works on
    device.run(program);
    await device.idle();
  },
);

gpuTest("webgpu device: a closed device says so instead of working", async () => {
  const device = await openWebGpuDevice();
  const span = whole(device.allocate(4, "buffer"));
  await device[Symbol.asyncDispose]();
  const closed = (error: Error) => error instanceof DeviceLostError && error.message.endsWith(": it was closed");
  assert.throws(() => device.allocate(1, "late"), closed);
  assert.throws(() => device.write(span, new Float32Array(4)), closed);
  await assert.rejects(device.read([span]), closed);
  await assert.rejects(device.prepare([], "late"), closed);
  await assert.rejects(device.idle(), closed);
});

gpuTest("webgpu device: a freed buffer is refused by name", async () => {
  await using device = await openWebGpuDevice();
  const value = device.allocate(1, "value"), y = device.allocate(4, "y");
  const spans = { value: whole(value), y: whole(y) };
  const program = await device.prepare([{ kernel: fill, shape: { COUNT: 4 }, spans }], "program");
  device.free(y);
  assert.throws(() => device.run(program), /Cannot use buffer 'y': it was freed/);
});

gpuTest("webgpu device: a call that WebGPU refuses later is reported by the next call that waits", async () => {
  await using device = await openWebGpuDevice();
  const buffer = device.allocate(4, "buffer");
  await assert.rejects(device.read([{ buffer, start: 0, words: 8 }]), /WebGPU refused a call: .*overrun/);
  assert.deepEqual(await device.read([whole(buffer)]), [new Float32Array(4)]); // reported once
});
