/**
 * What a device reaches at most, by kernels that do one thing: multiply-adds in registers, and a copy larger than caches.
 *
 * The one thing to know: it is the peak of this device with these kernels in this moment, so that a fraction of it says
 * what a kernel leaves unused. It is no data sheet, and what lies in caches moves faster than its memory.
 * @module
 */
import { copy } from "../../kernels/copy.ts";
import { fill } from "../../kernels/fill.ts";
import { peakFma } from "../../kernels/peak_fma.ts";
import { type Device, type DeviceBuffer, DeviceMemoryError, type Dispatch, KernelError, whole } from "./device.ts";
import { type Work, workOf } from "./work.ts";

export interface Peak {
  /** Billions of operations a second, a multiply-add counted as two. */
  readonly gflops: number;
  /** Billions of bytes a second, those read and those written. */
  readonly gbps: number;
}

/** Something to run, and the buffers it is run on. */
interface Task {
  /** Words of each buffer. */
  readonly words: Readonly<Record<string, number>>;
  /** What each buffer is filled with: memory that was never written may not be there. */
  readonly contents: Readonly<Record<string, number>>;
  dispatches(spans: Dispatch["spans"]): readonly Dispatch[];
}

/** Groups and rounds, each more work than the one before; the last takes a GPU of 60 TFLOP/s 14 ms. */
const MULTIPLY_ADDS = [[16, 256], [128, 256], [1024, 256], [8192, 256], [8192, 1024], [8192, 4096]] as const;
/** 128 MiB, more than caches hold and what every GPU binds; half of it as often as there is no memory for two. */
const MOST_COPY_WORDS = 32 << 20, LEAST_COPY_WORDS = 1 << 20;
/** Copies in one go; the last keep a memory of 3 TB/s busy for 23 ms. */
const COPY_COUNTS = [1, 8, 64, 256] as const;

/** Long for what is lost at beginnings and ends, and short, so that nothing comes between; and for waits for a GPU. */
const LONG_ENOUGH_MS = 4, LONG_ENOUGH_FOR_A_WAIT_MS = 20;
/** Of so many runs the best counts, or of as many as last this long: a GPU comes to speed under load. */
const LEAST_RUNS = 5, LEAST_MS = 300, MOST_RUNS = 100;

/**
 * Measures the device, for a second or two.
 * @throws {DeviceMemoryError} if it has no memory even for the least work.
 */
export async function measurePeak(device: Device): Promise<Peak> {
  const gflops = await bestRate(device, "flops", MULTIPLY_ADDS.map(multiplyAdds));
  return { gflops, gbps: await copyRate(device) };
}

async function copyRate(device: Device): Promise<number> {
  for (let words = MOST_COPY_WORDS;; words >>= 1) {
    try {
      return await bestRate(device, "bytes", COPY_COUNTS.map((count) => copies(words, count)));
    } catch (error) {
      const isTooLarge = error instanceof DeviceMemoryError || error instanceof KernelError; // by buffer, or by binding
      if (!isTooLarge || words <= LEAST_COPY_WORDS) throw error;
    }
  }
}

/** Billions a second, by the first task that lasts long enough, or the last for which there is memory. */
async function bestRate(device: Device, unit: keyof Work, tasks: readonly Task[]): Promise<number> {
  let rate: number | null = null;
  for (const [i, task] of tasks.entries()) {
    try {
      const { work, ms } = await measure(device, task, i === tasks.length - 1);
      rate = work[unit] / ms / 1e6;
      if (ms >= longEnoughMs(device)) return rate;
    } catch (error) {
      if (rate === null || !(error instanceof DeviceMemoryError)) throw error;
      return rate;
    }
  }
  return rate!; // there is a task
}

/** All work of a task, and how long its best run took; of one that is too short, and not the last, a first look. */
async function measure(
  device: Device,
  task: Task,
  isLast: boolean,
): Promise<{ readonly work: Work; readonly ms: number }> {
  const buffers: DeviceBuffer[] = [];
  try {
    const spans = await fillBuffers(device, task, buffers), dispatches = task.dispatches(spans);
    const program = await device.prepare(dispatches, "peak"), works = dispatches.map(workOf);
    const run = async () => sum(await device.profile(program));
    await run(); // compiles what is compiled late
    let ms = await run();
    if (ms >= longEnoughMs(device) || isLast) {
      for (let runs = 1, lastedMs = ms; runs < LEAST_RUNS || (lastedMs < LEAST_MS && runs < MOST_RUNS); runs++) {
        const runMs = await run();
        lastedMs += runMs;
        ms = Math.min(ms, runMs);
      }
    }
    return { work: { flops: sum(works.map(({ flops }) => flops)), bytes: sum(works.map(({ bytes }) => bytes)) }, ms };
  } finally {
    for (const buffer of buffers) device.free(buffer);
  }
}

async function fillBuffers(
  device: Device,
  { words, contents }: Task,
  buffers: DeviceBuffer[],
): Promise<Dispatch["spans"]> {
  const allocate = (count: number, label: string) => {
    const buffer = device.allocate(count, label);
    buffers.push(buffer);
    return whole(buffer);
  };
  const spans = Object.fromEntries(Object.entries(words).map(([name, count]) => [name, allocate(count, name)]));
  const fills = Object.entries(spans).map(([name, y]): Dispatch => {
    const value = allocate(1, "value");
    device.write(value, Float32Array.of(contents[name]!));
    return { kernel: fill, shape: { COUNT: y.words }, spans: { value, y } };
  });
  device.run(await device.prepare(fills, "fill"));
  return spans;
}

function longEnoughMs({ kind, timing }: Device): number {
  return kind === "webgpu" && timing === "clock" ? LONG_ENOUGH_FOR_A_WAIT_MS : LONG_ENOUGH_MS;
}

function multiplyAdds([GROUPS, ROUNDS]: readonly [number, number]): Task {
  const shape = { GROUPS, ROUNDS };
  return {
    words: { factors: 2, values: peakFma.bindings["values"]!.length(shape) },
    contents: { factors: 0.5, values: 1 }, // x · 0.5 + 0.5 stays 1
    dispatches: (spans) => [{ kernel: peakFma, shape, spans }],
  };
}

function copies(words: number, count: number): Task {
  const shape = { COUNT: words, ACCUMULATE: 0 };
  return {
    words: { x: words, y: words },
    contents: { x: 1, y: 2 },
    dispatches: (spans) => Array.from({ length: count }, () => ({ kernel: copy, shape, spans })),
  };
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
