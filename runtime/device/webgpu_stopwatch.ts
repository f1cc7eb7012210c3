/**
 * How long each step of a program takes on a GPU: by timestamp queries where the adapter has them, else by the clock.
 *
 * It runs steps that the device has bound and knows nothing of kernels but the one it calibrates itself with.
 *
 * The one thing to know before editing: a timestamp counts ticks, and nobody tells how long a tick is. WebGPU says a
 * nanosecond; Deno hands on what the driver counts, which is 10 ns on AMD's GPUs and 38 to 83 ns on Intel's. So the
 * first use measures a tick against the clock, and a GPU whose count stands still is timed by the clock.
 * @module
 */
import { fill } from "../../kernels/fill.ts";
import type { PipelineCache } from "./webgpu_pipelines.ts";

/** One dispatch, bound. */
export interface Step {
  readonly pipeline: GPUComputePipeline;
  readonly bindings: GPUBindGroup;
  readonly grid: readonly [number, number, number];
}

/** A moment as the host and the GPU saw it. */
export interface Stamp {
  readonly ms: number;
  readonly ticks: bigint;
}

/** WebGPU gives no larger query set; a step has two timestamps. */
const MOST_QUERIES = 4096;
const STEPS_A_SET = MOST_QUERIES / 2;
const TIMESTAMP_BYTES = 8;

/** Between the two looks at both clocks: what passes until the GPU starts on a submit, some 0.1 ms, is little of it. */
const CALIBRATION_MS = 100;
/** Waits for nothing, of which the shortest is what a wait costs. */
const EMPTY_WAITS = 3;

export class Stopwatch {
  readonly #gpu: GPUDevice;
  readonly #pipelines: PipelineCache;
  /** Null: there are no timestamps, or they say nothing. Undefined until it was measured. */
  #tickNs: number | null | undefined;

  constructor(gpu: GPUDevice, pipelines: PipelineCache) {
    this.#gpu = gpu;
    this.#pipelines = pipelines;
    if (!gpu.features.has("timestamp-query")) this.#tickNs = null;
  }

  get timing(): "timestamps" | "clock" {
    return this.#tickNs === null ? "clock" : "timestamps";
  }

  /** Runs the steps, in order and once, and gives the milliseconds of each. */
  async time(steps: readonly Step[]): Promise<number[]> {
    if (this.#tickNs === undefined) this.#tickNs = await this.#measureTick();
    if (this.#tickNs === null) return await this.#byClock(steps);
    const { ticks } = await this.#stamped(steps), tickMs = this.#tickNs / 1e6;
    return steps.map((_, i) => ticksBetween(ticks[2 * i]!, ticks[2 * i + 1]!) * tickMs);
  }

  /** Each step in a pass of its own, all in one submit, and one wait for the timestamps of all. */
  async #stamped(steps: readonly Step[]): Promise<{ readonly submittedMs: number; readonly ticks: BigUint64Array }> {
    const gpu = this.#gpu, bytes = Math.max(1, steps.length) * 2 * TIMESTAMP_BYTES;
    const encoder = gpu.createCommandEncoder({ label: "profile" }), querySets: GPUQuerySet[] = [];
    const { QUERY_RESOLVE, COPY_SRC, COPY_DST, MAP_READ } = GPUBufferUsage;
    const resolved = gpu.createBuffer({ label: "timestamps", size: bytes, usage: QUERY_RESOLVE | COPY_SRC });
    const staging = gpu.createBuffer({ label: "timestamps", size: bytes, usage: MAP_READ | COPY_DST });
    try {
      for (let from = 0; from < steps.length; from += STEPS_A_SET) {
        const part = steps.slice(from, from + STEPS_A_SET), count = 2 * part.length;
        const querySet = gpu.createQuerySet({ type: "timestamp", count });
        querySets.push(querySet);
        for (const [i, step] of part.entries()) {
          pass(encoder, step, { querySet, beginningOfPassWriteIndex: 2 * i, endOfPassWriteIndex: 2 * i + 1 });
        }
        encoder.resolveQuerySet(querySet, 0, count, resolved, from * 2 * TIMESTAMP_BYTES);
      }
      encoder.copyBufferToBuffer(resolved, 0, staging, 0, bytes);
      const submittedMs = performance.now();
      gpu.queue.submit([encoder.finish()]);
      await staging.mapAsync(GPUMapMode.READ);
      return { submittedMs, ticks: new BigUint64Array(staging.getMappedRange().slice(0)) };
    } finally {
      for (const resource of [...querySets, resolved, staging]) resource.destroy();
    }
  }

  async #byClock(steps: readonly Step[]): Promise<number[]> {
    const { queue } = this.#gpu;
    const waitedMs = async (commands: GPUCommandBuffer[]) => {
      const startedMs = performance.now();
      queue.submit(commands);
      await queue.onSubmittedWorkDone();
      return performance.now() - startedMs;
    };
    let emptyMs = Infinity;
    for (let wait = 0; wait < EMPTY_WAITS; wait++) emptyMs = Math.min(emptyMs, await waitedMs([]));
    const times: number[] = [];
    for (const step of steps) {
      const encoder = this.#gpu.createCommandEncoder({ label: "profile" });
      pass(encoder, step);
      times.push(Math.max(0, await waitedMs([encoder.finish()]) - emptyMs));
    }
    return times;
  }

  /** Nanoseconds of a tick, or null if the count stands still. */
  async #measureTick(): Promise<number | null> {
    const gpu = this.#gpu, shape = { COUNT: 1 };
    const { pipeline, layout, grid } = await this.#pipelines.compiled(fill, shape, []);
    const buffers = [0, 1].map(() => gpu.createBuffer({ label: "tick", size: 4, usage: GPUBufferUsage.STORAGE }));
    const entries = buffers.map((buffer, binding) => ({ binding, resource: { buffer } }));
    const step = { pipeline, bindings: gpu.createBindGroup({ layout, entries }), grid };
    const look = async (): Promise<Stamp> => {
      const { submittedMs, ticks } = await this.#stamped([step]);
      return { ms: submittedMs, ticks: ticks[1]! };
    };
    try {
      await look(); // compiles what is compiled late
      const first = await look();
      await new Promise((resolve) => setTimeout(resolve, CALIBRATION_MS));
      return tickNanoseconds(first, await look());
    } finally {
      for (const buffer of buffers) buffer.destroy();
    }
  }
}

/**
 * Nanoseconds of a tick by two stamps, or null if the count stood still between them. What is about a nanosecond is
 * one: no GPU counts by two, and the clock is not that exact.
 */
export function tickNanoseconds(first: Stamp, second: Stamp): number | null {
  const ticks = ticksBetween(first.ticks, second.ticks);
  if (ticks === 0) return null;
  const ns = (second.ms - first.ms) * 1e6 / ticks;
  return ns > 0.5 && ns < 2 ? 1 : ns;
}

/** Never negative: 0 if the driver wrote one of them not at all, or the second as the earlier one. */
function ticksBetween(begin: bigint, end: bigint): number {
  return begin === 0n || end <= begin ? 0 : Number(end - begin);
}

function pass(
  encoder: GPUCommandEncoder,
  { pipeline, bindings, grid }: Step,
  timestampWrites?: GPUComputePassTimestampWrites,
): void {
  const pass = encoder.beginComputePass(timestampWrites === undefined ? {} : { timestampWrites });
  pass.setPipeline(pipeline);
  pass.setBindGroup(0, bindings);
  pass.dispatchWorkgroups(...grid);
  pass.end();
}
