import { strict as assert } from "node:assert";
import { fill } from "../../kernels/fill.ts";
import { openCpuDevice } from "../../runtime/device/cpu.ts";
import { openDawnDevice } from "../../runtime/device/dawn.ts";
import { type Device, DeviceLostError, KernelError, whole } from "../../runtime/device/device.ts";
import { openPlainDevice } from "../../runtime/device/plain.ts";
import { openWebGpuDevice } from "../../runtime/device/webgpu.ts";
import type { WebGpuOptions } from "../../runtime/device/webgpu_device.ts";
import { blasTest } from "../kernels/blas.ts";
import { gpuTest } from "../kernels/check.ts";
import { dawnProblem } from "../kernels/dawn.ts";
import { type DeviceProvider, testDevice } from "./device.ts";

const always = (name: string, fn: () => Promise<void>) => Deno.test(name, fn);

const noDawn = await dawnProblem();
if (noDawn !== null) console.warn(`Tests of the dawn device are skipped: ${noDawn}`);
const dawnTest = (name: string, fn: () => Promise<void>) =>
  Deno.test({ name: noDawn === null ? name : `${name} (${noDawn})`, ignore: noDawn !== null, fn });

/** With what its compiler says of a name that nobody declared. */
const gpus:
  readonly (DeviceProvider & { readonly undeclared: RegExp; open(options?: WebGpuOptions): Promise<Device> })[] = [
    {
      name: "webgpu",
      open: openWebGpuDevice,
      test: gpuTest,
      undeclared: /no definition in scope for identifier: `valeu`/,
    },
    { name: "dawn", open: openDawnDevice, test: dawnTest, undeclared: /unresolved value 'valeu'/ },
  ];

const providers: readonly DeviceProvider[] = [
  { name: "plain", open: () => Promise.resolve(openPlainDevice()), test: always },
  { name: "cpu", open: () => openCpuDevice({ threads: 2, blas: "off" }), test: always },
  {
    name: "cpu with a library's products",
    open: () => openCpuDevice({ threads: 2, libraryWork: 0 }),
    test: blasTest,
  },
  ...gpus,
];

for (const provider of providers) testDevice(provider);

// The rest is true of GPUs alone: no other device compiles WGSL, or can be lost.

for (const { name, open, test, undeclared } of gpus) {
  test(
    `${name} device: a shader that does not compile is named, with the compiler's message and numbered source`,
    async () => {
      await using device = await open();
      const broken = { ...fill, name: "broken", variants: [], source: fill.source.replace("value[0]", "valeu[0]") };
      const spans = { value: whole(device.allocate(1, "value")), y: whole(device.allocate(4, "y")) };
      await assert.rejects(device.prepare([{ kernel: broken, shape: { COUNT: 4 }, spans }], "bad"), (error: Error) => {
        assert.ok(error instanceof KernelError);
        assert.match(error.message, /^Cannot compile broken for \{"COUNT":4\}: /);
        assert.match(error.message, undeclared);
        assert.match(error.message, /^ +\d+ \| .*valeu\[0\]/m);
        return true;
      });
      const program = await device.prepare([{ kernel: fill, shape: { COUNT: 4 }, spans }], "good"); // it works on
      device.run(program);
      await device.idle();
    },
  );

  test(`${name} device: a closed device says so instead of working`, async () => {
    const device = await open();
    const span = whole(device.allocate(4, "buffer"));
    await device[Symbol.asyncDispose]();
    const closed = (error: Error) => error instanceof DeviceLostError && error.message.endsWith(": it was closed");
    assert.throws(() => device.allocate(1, "late"), closed);
    assert.throws(() => device.write(span, new Float32Array(4)), closed);
    await assert.rejects(device.read([span]), closed);
    await assert.rejects(device.prepare([], "late"), closed);
    await assert.rejects(device.idle(), closed);
    await assert.rejects(device.profile({ label: "late", dispatchCount: 0 }), closed);
  });

  test(`${name} device: a freed buffer is refused by name`, async () => {
    await using device = await open();
    const value = device.allocate(1, "value"), y = device.allocate(4, "y");
    const spans = { value: whole(value), y: whole(y) };
    const program = await device.prepare([{ kernel: fill, shape: { COUNT: 4 }, spans }], "program");
    device.free(y);
    assert.throws(() => device.run(program), /Cannot use buffer 'y': it was freed/);
    await assert.rejects(device.profile(program), /Cannot use buffer 'y': it was freed/);
  });

  test(`${name} device: without timestamps a profile goes by the clock, less what a wait costs`, async () => {
    await using device = await open({ timestamps: false });
    const value = whole(device.allocate(1, "value")), many = device.allocate(8 << 20, "many");
    const dispatches = [1, many.words, 1].map((COUNT) => {
      return { kernel: fill, shape: { COUNT }, spans: { value, y: { buffer: many, start: 0, words: COUNT } } };
    });
    device.write(value, Float32Array.of(5));
    const program = await device.prepare(dispatches, "program");
    await device.profile(program); // the first may compile
    const [before, large, after] = await device.profile(program);
    assert.ok(Math.min(before!, after!) >= 0 && large! > Math.max(before!, after!), `${[before, large, after]} ms`);
    assert.equal(device.timing, "clock");
    assert.deepEqual(await device.read([{ buffer: many, start: many.words - 64, words: 1 }]), [Float32Array.of(5)]);
  });

  test(`${name} device: a call that WebGPU refuses later is reported by the next call that waits`, async () => {
    await using device = await open();
    const buffer = device.allocate(4, "buffer");
    await assert.rejects(
      device.read([{ buffer, start: 0, words: 8 }]),
      /WebGPU refused a call: .*(overrun|does not fit)/,
    );
    assert.deepEqual(await device.read([whole(buffer)]), [new Float32Array(4)]); // reported once
  });
}

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
