/**
 * A device on WebGPU, whoever implements it: kernels as WGSL, on an adapter that a provider has found.
 *
 * The providers are `webgpu.ts`, what is built into Deno and into browsers, and `dawn.ts`, a library. Compilation is in
 * `webgpu_pipelines.ts`, readback in `webgpu_readback.ts`, timing in `webgpu_stopwatch.ts`; choosing between devices is
 * done elsewhere. Constants like those of `GPUBufferUsage` are the platform's for every provider: the standard has fixed
 * their numbers.
 *
 * The one thing to know before editing: WebGPU tells of some errors later than the call that caused them. Such an error
 * is kept and thrown by the next `prepare`, `read`, `profile` or `idle`, which wait anyway. In Deno each wait for the GPU
 * costs some 11 ms and blocks the thread, so nothing else here waits.
 * @module
 */
import type { GpuFeature } from "../../kernels/kernel.ts";
import {
  arrayFor,
  checkDispatch,
  checkWrite,
  type Device,
  type DeviceBuffer,
  DeviceLostError,
  DeviceMemoryError,
  type Dispatch,
  f16Bindings,
  KernelError,
  type MemoryUse,
  type Program,
  type ReadInto,
  type Span,
} from "./device.ts";
import { MATRIX_UNITS, matrixFeatures, offeredMatrixUnits } from "./matrix_units.ts";
import { whyProductsAreWrong } from "./product_check.ts";
import { type GrantedGpu, requestGpu } from "./webgpu_features.ts";
import { PipelineCache } from "./webgpu_pipelines.ts";
import { Readback } from "./webgpu_readback.ts";
import { type Step, Stopwatch } from "./webgpu_stopwatch.ts";

/** No GPU that a provider can use. */
export class NoAdapterError extends Error {
  override readonly name = "NoAdapterError";
}

export interface WebGpuOptions {
  /** Whether to time by timestamps where the driver has them (the default), and not by the clock. */
  readonly timestamps?: boolean;
}

/** Copied at once of what lies in shared memory: a copy of all of it would be another arena. */
const SHARED_WORDS = 4 << 20;

/** What a provider knows of the adapter it found. */
export interface FoundAdapter extends WebGpuOptions {
  readonly kind: "webgpu" | "dawn";
  /** For people, and what measurements are kept by. */
  readonly description: string;
}

/** The adapter with all the limits that its driver has, and those of its features that forms of products get right. */
export async function openOnAdapter(
  adapter: GPUAdapter,
  { kind, description, timestamps = true }: FoundAdapter,
): Promise<Device> {
  const granted = await requestGpu(adapter, { timestamps });
  const features = new Set(granted.features), faults = [...granted.faults];
  const device = new WebGpuDevice({ ...granted, features, faults }, { kind, description });
  const units = granted.gpu.features.has(MATRIX_UNITS) ? matrixFeatures(offeredMatrixUnits(adapter.info)) : [];
  const ofProducts: readonly GpuFeature[] = [...(features.has("subgroups") ? ["broadcasts"] as const : []), ...units];
  for (const feature of ofProducts) {
    features.add(feature); // before the test, which is of kernels that need it
    const problem = await whyProductsAreWrong(device, feature);
    if (problem === null) continue;
    features.delete(feature);
    faults.push(`${feature}: ${problem}`);
  }
  device.restartPeak(); // what tests took is nobody's
  return device;
}

/** Says of a driver that runs shaders on the processor that it does; `isSoftware` goes by it. */
export function withSoftwareNamed(description: string): string {
  return /llvmpipe|lavapipe|swiftshader|basic render/i.test(description)
    ? `${description}, a software driver`
    : description;
}

class WebGpuBuffer implements DeviceBuffer {
  freed = false;
  constructor(
    readonly words: number,
    readonly label: string,
    readonly owner: WebGpuDevice,
    readonly handle: GPUBuffer,
  ) {}
}

interface WebGpuProgram extends Program {
  readonly steps: readonly Step[];
  readonly buffers: readonly WebGpuBuffer[];
}

class WebGpuDevice implements Device {
  readonly kind: FoundAdapter["kind"];
  readonly description: string;
  readonly storesF16: boolean;
  readonly features: Device["features"];
  readonly faults: readonly string[];
  readonly #gpu: GPUDevice;
  readonly #pipelines: PipelineCache;
  readonly #readback: Readback;
  readonly #stopwatch: Stopwatch;
  readonly #alive = new Set<WebGpuBuffer>();
  #bytes = 0;
  #peakBytes = 0;
  /** The first error that arrived after its call had returned. */
  #lateError: Error | undefined;
  /** Why nothing works any more. */
  #gone: string | undefined;

  constructor(
    { gpu, storesF16, features, faults, enables }: GrantedGpu,
    { kind, description }: Pick<FoundAdapter, "kind" | "description">,
  ) {
    this.kind = kind;
    this.description = description;
    this.storesF16 = storesF16;
    this.features = features;
    this.faults = faults;
    this.#gpu = gpu;
    this.#pipelines = new PipelineCache(gpu, { features, enables });
    this.#readback = new Readback(gpu);
    this.#stopwatch = new Stopwatch(gpu, this.#pipelines);
    gpu.lost.then(({ message }) => this.#gone ??= `the GPU was lost (${message}) and its buffers with it`);
    gpu.addEventListener("uncapturederror", (event) => {
      event.preventDefault(); // it is thrown instead of printed
      const message = saidBy(event) ?? "it does not say why";
      this.#lateError ??= new Error(`WebGPU refused a call: ${message}`);
    });
  }

  allocate(words: number, label: string): DeviceBuffer {
    this.#expectHere(`allocate '${label}'`);
    if (!Number.isSafeInteger(words) || words < 1) {
      throw new RangeError(`Cannot allocate '${label}': ${words} is not a positive count of words`);
    }
    const bytes = words * 4, { maxBufferSize } = this.#gpu.limits;
    if (bytes > maxBufferSize) {
      throw new DeviceMemoryError(
        `Cannot allocate '${label}': it needs ${bytes} bytes and ${this.description} gives at most ${maxBufferSize} ` +
          `in one buffer; use a smaller model or batch`,
      );
    }
    this.#gpu.pushErrorScope("out-of-memory");
    const { STORAGE, COPY_SRC, COPY_DST } = GPUBufferUsage;
    const handle = this.#gpu.createBuffer({ label, size: bytes, usage: STORAGE | COPY_SRC | COPY_DST });
    const buffer = new WebGpuBuffer(words, label, this, handle);
    this.#gpu.popErrorScope().then((error) => {
      if (error === null) return;
      this.#lateError ??= new DeviceMemoryError(
        `Cannot allocate '${label}': ${this.description} has no ${bytes} bytes left beside ${this.#bytes - bytes} ` +
          `in use; use a smaller model or batch`,
      );
      this.free(buffer);
    }, () => {}); // a lost device speaks for itself
    this.#alive.add(buffer);
    this.#bytes += bytes;
    this.#peakBytes = Math.max(this.#peakBytes, this.#bytes);
    return buffer;
  }

  free(buffer: DeviceBuffer): void {
    const own = this.#own(buffer);
    if (!this.#alive.delete(own)) return;
    this.#bytes -= own.words * 4;
    own.freed = true;
    own.handle.destroy(); // without it the memory stays until the garbage collector looks
  }

  write(span: Span, values: Float32Array | Uint32Array): void {
    this.#expectHere(`write '${span.buffer.label}'`);
    const { handle } = this.#usable(span.buffer);
    checkWrite(span, values);
    const { buffer, byteOffset, byteLength } = values;
    if (buffer instanceof ArrayBuffer) {
      this.#gpu.queue.writeBuffer(handle, span.start * 4, buffer, byteOffset, byteLength);
      return;
    }
    for (let at = 0; at < values.length; at += SHARED_WORDS) { // WebGPU takes no shared memory
      this.#gpu.queue.writeBuffer(handle, (span.start + at) * 4, values.slice(at, at + SHARED_WORDS));
    }
  }

  async read(spans: readonly Span[], into?: ReadInto): Promise<Float32Array<ArrayBuffer>[]> {
    this.#expectHere("read");
    const parts = spans.map((span, i) => {
      const { buffer, start, words } = span;
      return { source: this.#usable(buffer).handle, start, words, target: arrayFor(span, i, into) };
    });
    return await this.#settled("read", this.#readback.read(parts));
  }

  async prepare(dispatches: readonly Dispatch[], label: string): Promise<Program> {
    this.#expectHere(`prepare '${label}'`);
    const steps: Step[] = [];
    for (const dispatch of dispatches) {
      checkDispatch(dispatch, this);
      this.#checkLimits(dispatch);
      steps.push(await this.#bind(dispatch));
    }
    const buffers = new Set(
      dispatches.flatMap(({ spans }) => Object.values(spans).map(({ buffer }) => this.#own(buffer))),
    );
    await this.#settled(`prepare '${label}'`, Promise.resolve());
    return { label, dispatchCount: steps.length, steps, buffers: [...buffers] } satisfies WebGpuProgram as Program;
  }

  run(program: Program): void {
    const { steps, label } = this.#runnable(program, "run");
    const encoder = this.#gpu.createCommandEncoder({ label });
    const pass = encoder.beginComputePass({ label });
    for (const { pipeline, bindings, grid } of steps) {
      pass.setPipeline(pipeline);
      pass.setBindGroup(0, bindings);
      pass.dispatchWorkgroups(...grid);
    }
    pass.end();
    this.#gpu.queue.submit([encoder.finish()]);
  }

  get timing(): Device["timing"] {
    return this.#stopwatch.timing;
  }

  async profile(program: Program): Promise<readonly number[]> {
    const { steps, label } = this.#runnable(program, "profile");
    return await this.#settled(`profile '${label}'`, this.#stopwatch.time(steps));
  }

  async idle(): Promise<void> {
    this.#expectHere("wait for it");
    await this.#settled("wait for it", this.#gpu.queue.onSubmittedWorkDone());
  }

  /** The peak is counted from now on. */
  restartPeak(): void {
    this.#peakBytes = this.#bytes;
  }

  memory(): MemoryUse {
    return { bytes: this.#bytes, peakBytes: this.#peakBytes };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#gone === undefined) {
      this.#gone = "it was closed";
      for (const buffer of this.#alive) this.free(buffer);
      this.#readback.destroy();
      this.#gpu.destroy();
    }
    await this.#gpu.lost;
  }

  async #bind(dispatch: Dispatch): Promise<Step> {
    const { kernel, shape, spans } = dispatch;
    const { pipeline, layout, grid } = await this.#pipelines.compiled(kernel, shape, f16Bindings(dispatch));
    const entries = Object.keys(kernel.bindings).map((name, binding) => {
      const { buffer, start, words } = spans[name]!;
      return { binding, resource: { buffer: this.#usable(buffer).handle, offset: start * 4, size: words * 4 } };
    });
    const bindings = this.#gpu.createBindGroup({ label: kernel.name, layout, entries });
    return { pipeline, bindings, grid };
  }

  /** What only this GPU forbids. */
  #checkLimits({ kernel, shape, spans }: Dispatch): void {
    const { maxStorageBufferBindingSize, maxComputeWorkgroupsPerDimension } = this.#gpu.limits;
    for (const name of Object.keys(kernel.bindings)) {
      const bytes = spans[name]!.words * 4;
      if (bytes <= maxStorageBufferBindingSize) continue;
      throw new KernelError(
        `Cannot prepare ${kernel.name}: '${name}' has ${bytes} bytes and ${this.description} binds at most ` +
          `${maxStorageBufferBindingSize}; use a smaller model or batch`,
      );
    }
    const { grid } = this.#pipelines.textFor(kernel, shape);
    if (grid.some((count) => count > maxComputeWorkgroupsPerDimension)) {
      throw new KernelError(
        `Cannot prepare ${kernel.name}: its grid is ${grid.join(" × ")} and ${this.description} takes at most ` +
          `${maxComputeWorkgroupsPerDimension} in each dimension (${JSON.stringify(shape)})`,
      );
    }
  }

  #runnable(program: Program, action: string): WebGpuProgram {
    this.#expectHere(`${action} '${program.label}'`);
    const own = program as WebGpuProgram;
    for (const buffer of own.buffers) this.#usable(buffer);
    return own;
  }

  #own(buffer: DeviceBuffer): WebGpuBuffer {
    if (buffer instanceof WebGpuBuffer && buffer.owner === this) return buffer;
    throw new TypeError(`Cannot use buffer '${buffer.label}': it belongs to another device`);
  }

  #usable(buffer: DeviceBuffer): WebGpuBuffer {
    const own = this.#own(buffer);
    if (!own.freed) return own;
    throw new TypeError(`Cannot use buffer '${own.label}': it was freed`);
  }

  #expectHere(action: string): void {
    if (this.#gone !== undefined) throw new DeviceLostError(`Cannot ${action} on ${this.description}: ${this.#gone}`);
  }

  /** Waits for work, then throws what went wrong meanwhile: the loss of the device first, since it explains the rest. */
  async #settled<T>(action: string, work: Promise<T>): Promise<T> {
    const outcome = await work.then((value) => ({ value }), (error: unknown) => ({ error }));
    this.#expectHere(action);
    const lateError = this.#lateError;
    this.#lateError = undefined;
    if (lateError !== undefined) throw lateError;
    if ("error" in outcome) throw outcome.error;
    return outcome.value;
  }
}

/** What an `uncapturederror` says. Each provider has event classes of its own, so it goes by the properties. */
function saidBy(event: object): string | undefined {
  if (!("error" in event && event.error instanceof Object && "message" in event.error)) return undefined;
  return String(event.error.message);
}
