/**
 * What is true of GPUs alone, for whatever WebGPU opens them: no other device compiles WGSL, or can be lost.
 * @module
 */
import { strict as assert } from "node:assert";
import { fill } from "../../kernels/fill.ts";
import { type Device, DeviceLostError, KernelError, whole } from "../../runtime/device/device.ts";
import type { WebGpuOptions } from "../../runtime/device/webgpu_device.ts";
import type { DeviceProvider } from "./device.ts";

export interface GpuProvider extends DeviceProvider {
  open(options?: WebGpuOptions): Promise<Device>;
  /** What its compiler says of the name `valeu`, which nobody declared. */
  readonly undeclared: RegExp;
}

/** Registers the suite of GPUs for one provider. */
export function testGpuDevice({ name, open, test, undeclared }: GpuProvider): void {
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
        const lines = error.message.split("\n").filter((line) => /^ *\d+ \| /.test(line));
        const place = lines.findIndex((line) => line.endsWith("if (i < COUNT / WIDTH) { y[i] = reals(valeu[0]); }"));
        assert.equal(parseInt(lines[place]!), place + 1, error.message);
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
