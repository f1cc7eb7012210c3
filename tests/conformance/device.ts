/**
 * What every device does. Providers are in the table of `device_test.ts`; the contract is `runtime/device/device.ts`.
 *
 * It does not ask whether kernels compute the right thing: `tests/kernels` does. It uses three of the simplest.
 * @module
 */
import { strict as assert } from "node:assert";
import { add } from "../../kernels/add.ts";
import { copy } from "../../kernels/copy.ts";
import { fill } from "../../kernels/fill.ts";
import {
  asF16,
  asWords,
  type Device,
  DeviceMemoryError,
  type Dispatch,
  KernelError,
  SPAN_ALIGNMENT,
  whole,
} from "../../runtime/device/device.ts";

export interface DeviceProvider {
  readonly name: string;
  open(): Promise<Device>;
  /** Registers a test: `Deno.test`, or something that skips with a reason where the provider cannot run. */
  test(name: string, fn: () => Promise<void>): void;
}

/** Registers the whole suite for one provider. */
export function testDevice({ name, open, test }: DeviceProvider): void {
  const on = (behaviour: string, body: (device: Device) => Promise<void> | void) =>
    test(`${name} device: ${behaviour}`, async () => {
      await using device = await open();
      await body(device);
    });

  on("a new buffer holds zeros, also where freed memory is used again", async (device) => {
    for (let turn = 0; turn < 3; turn++) {
      const buffer = device.allocate(1000, "zeros");
      const [values] = await device.read([whole(buffer)]);
      assert.ok(values!.every((value) => value === 0), `turn ${turn}`);
      device.write(whole(buffer), new Float32Array(1000).fill(7));
      device.free(buffer);
    }
  });

  on("a write changes its span and nothing around it", async (device) => {
    const buffer = device.allocate(3 * SPAN_ALIGNMENT, "three");
    device.write({ buffer, start: SPAN_ALIGNMENT, words: 5 }, Float32Array.of(1, 2, 3, 4, 5));
    const wanted = new Float32Array(buffer.words);
    wanted.set([1, 2, 3, 4, 5], SPAN_ALIGNMENT);
    assert.deepEqual(await device.read([whole(buffer)]), [wanted]);
  });

  on("a write that is longer than its span is refused", async (device) => {
    const buffer = device.allocate(128, "target");
    assert.throws(
      () => device.write({ buffer, start: 64, words: 3 }, new Float32Array(4).fill(1)),
      { name: "RangeError", message: "Cannot write 4 words to 'target': the span has 3" },
    );
    assert.deepEqual(await device.read([whole(buffer)]), [new Float32Array(128)]);
  });

  on("a write takes a part of a larger array, and shared memory", async (device) => {
    const buffer = device.allocate(4, "parts"), shared = new Float32Array(new SharedArrayBuffer(8));
    shared.set([8, 9]);
    device.write({ buffer, start: 0, words: 2 }, Float32Array.of(0, 1, 2, 3).subarray(1, 3));
    assert.deepEqual(await device.read([whole(buffer)]), [Float32Array.of(1, 2, 0, 0)]);
    device.write({ buffer, start: 0, words: 2 }, shared);
    assert.deepEqual(await device.read([whole(buffer)]), [Float32Array.of(8, 9, 0, 0)]);
  });

  on("a write takes what is there now, whatever becomes of the array", async (device) => {
    const buffers = [0, 1, 2].map((i) => device.allocate(64, `of ${i}`)), values = new Float32Array(64);
    for (const [i, buffer] of buffers.entries()) device.write(whole(buffer), values.fill(i));
    values.fill(9);
    for (const [i, buffer] of buffers.entries()) {
      assert.deepEqual(await device.read([whole(buffer)]), [new Float32Array(64).fill(i)]);
    }
  });

  on("words come back bit for bit, also those that are not numbers as f32", async (device) => {
    const words = Uint32Array.of(0, 1, 0x7f800001, 0x7fc00000, 0xffa00001, 0xffffffff, 0x80000000);
    const buffer = device.allocate(words.length, "words");
    device.write(whole(buffer), words);
    const [found] = await device.read([whole(buffer)]);
    assert.deepEqual(asWords(found!), words);
  });

  on("one read gives many spans in the order asked for, from several buffers and overlapping", async (device) => {
    const a = device.allocate(200, "a"), b = device.allocate(3, "b");
    device.write(whole(a), Float32Array.from({ length: 200 }, (_, i) => i));
    device.write(whole(b), Float32Array.of(-1, -2, -3));
    const found = await device.read([
      { buffer: a, start: 128, words: 2 },
      whole(b),
      { buffer: a, start: 64, words: 66 },
    ]);
    const tail = Float32Array.from({ length: 66 }, (_, i) => 64 + i);
    assert.deepEqual(found, [Float32Array.of(128, 129), Float32Array.of(-1, -2, -3), tail]);
    assert.deepEqual(await device.read([]), []);
  });

  on(
    "a read fills the arrays that it is given where they have the spans' lengths, and makes the others",
    async (device) => {
      const buffers = [1, 2, 3].map((i) => device.allocate(64 * i, `of ${i}`));
      buffers.forEach((buffer, i) => device.write(whole(buffer), new Float32Array(buffer.words).fill(i + 1)));
      const into = [new Float32Array(64), new Float32Array(64), undefined];
      const found = await device.read(buffers.map(whole), into);
      assert.deepEqual(found, buffers.map(({ words }, i) => new Float32Array(words).fill(i + 1)));
      assert.deepEqual([found[0] === into[0], found[1] === into[1]], [true, false]);
      const again = await device.read([{ buffer: buffers[2]!, start: 64, words: 64 }], [found[0]]);
      assert.deepEqual([again[0] === found[0], again[0]![63]], [true, 3]);
    },
  );

  on("a span of 36 MB is written from shared memory, and read, whole", async (device) => {
    const words = 9_000_000, buffer = device.allocate(words, "large");
    const values = new Float32Array(new SharedArrayBuffer(4 * words));
    for (let i = 0; i < words; i++) values[i] = i;
    device.write(whole(buffer), values);
    const [found] = await device.read([whole(buffer)]);
    assert.equal(found!.findIndex((value, i) => value !== values[i]), -1);
  });

  on("dispatches of a program run in order, and each run of it continues from the last", async (device) => {
    const { dispatches, total } = fillAddAccumulate(device);
    const program = await device.prepare(dispatches, "three kernels");
    assert.deepEqual([program.label, program.dispatchCount], ["three kernels", 3]);
    device.run(program);
    device.run(program);
    assert.deepEqual(await device.read([whole(total)]), [new Float32Array(100).fill(2 * (3 + 3))]);
  });

  on("write, run and read take effect in the order of the calls", async (device) => {
    const { dispatches, total, value } = fillAddAccumulate(device);
    const program = await device.prepare(dispatches, "program");
    const reads: Promise<Float32Array[]>[] = [];
    for (const number of [1, 10, 100]) {
      device.write(whole(value), Float32Array.of(number));
      device.run(program);
      reads.push(device.read([{ buffer: total, start: 0, words: 1 }]));
    }
    device.write(whole(total), new Float32Array(100)); // after the reads: none of them may see it
    assert.deepEqual((await Promise.all(reads)).map(([values]) => values![0]), [2, 22, 222]);
    assert.deepEqual(await device.read([whole(total)]), [new Float32Array(100)]);
  });

  on("a profile runs its program once, and gives a time for each dispatch", async (device) => {
    const { dispatches, total } = fillAddAccumulate(device);
    const program = await device.prepare(dispatches, "program"), nothing = await device.prepare([], "nothing");
    assert.deepEqual(await device.profile(nothing), []);
    device.run(program);
    const times = await device.profile(program);
    device.run(program);
    assert.equal(times.length, 3);
    for (const ms of times) assert.ok(Number.isFinite(ms) && ms >= 0, `${times}`);
    assert.deepEqual(await device.read([whole(total)]), [new Float32Array(100).fill(3 * 6)]);
    assert.deepEqual(device.memory().peakBytes, device.memory().bytes);
  });

  on("a profile tells a large dispatch from 2,100 tiny ones before and after it", async (device) => {
    const place = 2_060, tiny = tinyDispatch(device), large = largeDispatch(device);
    const dispatches = Array.from({ length: 2_100 }, (_, i) => i === place ? large : tiny);
    const program = await device.prepare(dispatches, "one of many");
    await device.profile(program); // the first may compile
    const startedMs = performance.now(), times = await device.profile(program), wallMs = performance.now() - startedMs;
    const sumMs = times.reduce((sum, ms) => sum + ms, 0), median = times.toSorted((a, b) => a - b)[1_050]!;
    assert.equal(times.length, dispatches.length);
    assert.ok(times[place]! > 10 * median, `${times[place]} ms, and the median of all is ${median} ms`);
    assert.ok(sumMs <= 1.5 * wallMs, `all dispatches took ${sumMs} ms, and the profile ${wallMs} ms`);
  });

  on("a profile of large dispatches accounts for about as long as a run of them takes", async (device) => {
    const program = await device.prepare(Array(8).fill(largeDispatch(device)), "eight");
    let runMs = Infinity, profiledMs = Infinity; // the least of several: the machine may have more to do
    for (let round = 0; round < 4; round++) {
      const startedMs = performance.now();
      device.run(program);
      await device.idle();
      runMs = Math.min(runMs, performance.now() - startedMs);
      profiledMs = Math.min(profiledMs, (await device.profile(program)).reduce((sum, ms) => sum + ms));
    }
    // A wait for a GPU may last 12 ms longer than its work.
    const isPlausible = profiledMs <= 2 * runMs && 2 * profiledMs >= runMs - 12;
    assert.ok(isPlausible, `a run took ${runMs} ms, and its dispatches ${profiledMs} ms by ${device.timing}`);
  });

  on("a kernel works on spans in the middle of buffers and leaves the rest alone", async (device) => {
    const x = device.allocate(4 * SPAN_ALIGNMENT, "x"), y = device.allocate(4 * SPAN_ALIGNMENT, "y");
    device.write(whole(x), Float32Array.from({ length: x.words }, (_, i) => i));
    const program = await device.prepare([{
      kernel: copy,
      shape: { COUNT: 70, ACCUMULATE: 0 },
      spans: {
        x: { buffer: x, start: SPAN_ALIGNMENT, words: 70 },
        y: { buffer: y, start: 2 * SPAN_ALIGNMENT, words: 70 },
      },
    }], "middle");
    device.run(program);
    const wanted = new Float32Array(y.words);
    for (let i = 0; i < 70; i++) wanted[2 * SPAN_ALIGNMENT + i] = SPAN_ALIGNMENT + i;
    assert.deepEqual(await device.read([whole(y)]), [wanted]);
  });

  on("memory counts the bytes in buffers and their peak", (device) => {
    assert.deepEqual(device.memory(), { bytes: 0, peakBytes: 0 });
    const a = device.allocate(1000, "a"), b = device.allocate(24, "b");
    assert.deepEqual(device.memory(), { bytes: 4096, peakBytes: 4096 });
    device.free(a);
    device.free(a); // once is enough, twice does no harm
    assert.deepEqual(device.memory(), { bytes: 96, peakBytes: 4096 });
    device.allocate(10, "c");
    device.free(b);
    assert.deepEqual(device.memory(), { bytes: 40, peakBytes: 4096 });
  });

  on("more memory than there is is refused by name, and the device works on", async (device) => {
    assert.throws(() => device.allocate(2 ** 42, "everything"), (error: Error) => {
      return error instanceof DeviceMemoryError && error.message.startsWith("Cannot allocate 'everything': ");
    });
    assert.deepEqual(device.memory(), { bytes: 0, peakBytes: 0 });
    const buffer = device.allocate(1, "a little");
    assert.deepEqual(await device.read([whole(buffer)]), [Float32Array.of(0)]);
  });

  on("memory that was freed can be had again many times", (device) => {
    for (let i = 0; i < 200; i++) device.free(device.allocate(16 << 20, "64 MiB"));
    assert.deepEqual(device.memory(), { bytes: 0, peakBytes: 64 << 20 });
  });

  on("a buffer of another device is refused", async (device) => {
    await using another = await open();
    const foreign = whole(another.allocate(4, "foreign"));
    const refusal = { name: "TypeError", message: "Cannot use buffer 'foreign': it belongs to another device" };
    assert.throws(() => device.write(foreign, new Float32Array(4)), refusal);
    assert.throws(() => device.free(foreign.buffer), refusal);
    await assert.rejects(device.read([foreign]), refusal);
    const y = whole(device.allocate(4, "y"));
    const dispatch = { kernel: copy, shape: { COUNT: 4, ACCUMULATE: 0 }, spans: { x: foreign, y } };
    await assert.rejects(device.prepare([dispatch], "mixed"), refusal);
  });

  on("prepare names kernel, binding, found and wanted when a dispatch breaks its contract", async (device) => {
    const buffer = device.allocate(256, "arena"), other = device.allocate(256, "other");
    const span = (start: number, words: number, of = buffer) => ({ buffer: of, start, words });
    const shape = { COUNT: 8 }, y = span(0, 8, other);
    const refusals: [Dispatch["spans"], string][] = [
      [{ a: span(0, 8), y }, "no span for binding 'b'"],
      [{ a: span(0, 8), b: span(64, 7), y }, `'b' has 7 words, its shape needs 8 ({"COUNT":8})`],
      [
        { a: span(0, 8), b: span(63, 8), y },
        "'b' starts at word 63 of 256; it must start at a multiple of 64 and end inside its buffer",
      ],
      [
        { a: span(0, 8), b: span(256, 8), y },
        "'b' starts at word 256 of 256; it must start at a multiple of 64 and end inside its buffer",
      ],
      [{ a: y, b: span(0, 8), y }, "written 'y' overlaps 'a'"],
      [
        { a: span(0, 8), b: span(64, 8, other), y },
        "it writes 'y' and reads 'b', both in buffer 'other'; one dispatch may read a buffer or write it",
      ],
    ];
    for (const [spans, reason] of refusals) {
      await assert.rejects(device.prepare([{ kernel: add, shape, spans }], "bad"), (error: Error) => {
        assert.ok(error instanceof KernelError);
        assert.ok(error.message.startsWith(`Cannot prepare add: ${reason}`), error.message);
        return true;
      });
    }
    await device.prepare([{ kernel: add, shape, spans: { a: span(0, 8), b: span(0, 8), y } }], "one input twice");
  });

  on("a value is stored as f16 where the device does that, and refused by name where it does not", async (device) => {
    const x = device.allocate(3, "x"), y = device.allocate(2, "y");
    device.write(whole(x), Float32Array.of(1 / 3, -2, 1e6));
    const dispatch: Dispatch = {
      kernel: copy,
      shape: { COUNT: 3, ACCUMULATE: 0 },
      spans: { x: whole(x), y: { ...whole(y), type: "f16" } },
    };
    if (!device.storesF16) {
      const message = "Cannot prepare copy: 'y' is given as f16, which this device cannot have";
      return await assert.rejects(device.prepare([dispatch], "f16"), { name: "KernelError", message });
    }
    device.run(await device.prepare([dispatch], "f16"));
    const [found] = await device.read([{ ...whole(y), type: "f16" }]);
    const [third, two, large] = asF16(found!);
    assert.ok(Math.abs(third! - 1 / 3) < 2 ** -11 && two === -2 && large === Infinity, `${asF16(found!)}`);
    const other: Dispatch = {
      kernel: add,
      shape: { COUNT: 2 },
      spans: {
        a: whole(y),
        b: { buffer: x, start: 0, words: 2 },
        y: { ...whole(device.allocate(1, "z")), type: "f16" },
      },
    };
    await assert.rejects(device.prepare([other], "f16"), /'y' is given as f16, which the kernel cannot have/);
  });

  on("five hundred runs of a program need no more memory than one", async (device) => {
    const { dispatches } = fillAddAccumulate(device, 1 << 18);
    const program = await device.prepare(dispatches, "program");
    const runs = async (count: number) => {
      for (let i = 0; i < count; i++) device.run(program);
      await device.idle();
    };
    await runs(20); // drivers keep what the first runs needed
    const before = device.memory(), residentBefore = Deno.memoryUsage().rss;
    for (let i = 0; i < 25; i++) await runs(20);
    assert.deepEqual(device.memory(), before);
    const grownBytes = Deno.memoryUsage().rss - residentBefore; // one forgotten buffer a run would be 500 MiB
    assert.ok(grownBytes < 100 << 20, `the process grew by ${grownBytes} bytes`);
  });

  on("a device may be closed twice", async (device) => {
    device.allocate(100, "left over");
    await device[Symbol.asyncDispose]();
    await device[Symbol.asyncDispose]();
  });
}

function tinyDispatch(device: Device): Dispatch {
  const value = device.allocate(1, "value"), y = device.allocate(1, "tiny");
  return { kernel: fill, shape: { COUNT: 1 }, spans: { value: whole(value), y: whole(y) } };
}

/** Some milliseconds of work for a processor. */
function largeDispatch(device: Device): Dispatch {
  const COUNT = 4 << 20, x = device.allocate(COUNT, "x"), y = device.allocate(COUNT, "y");
  return { kernel: copy, shape: { COUNT, ACCUMULATE: 1 }, spans: { x: whole(x), y: whole(y) } };
}

/** total += 2 · value, by three kernels that hand a buffer on to each other. */
function fillAddAccumulate(device: Device, count = 100) {
  const value = device.allocate(1, "value"), filled = device.allocate(count, "filled");
  const doubled = device.allocate(count, "doubled"), total = device.allocate(count, "total");
  device.write(whole(value), Float32Array.of(3));
  const dispatches: Dispatch[] = [
    { kernel: fill, shape: { COUNT: count }, spans: { value: whole(value), y: whole(filled) } },
    { kernel: add, shape: { COUNT: count }, spans: { a: whole(filled), b: whole(filled), y: whole(doubled) } },
    { kernel: copy, shape: { COUNT: count, ACCUMULATE: 1 }, spans: { x: whole(doubled), y: whole(total) } },
  ];
  return { dispatches, value, total };
}
