/**
 * Compiles kernels for one WebGPU device and keeps what it compiled: one module for each text of a kernel
 * (`kernel_text.ts`), one pipeline for each text and shape.
 *
 * It does not bind buffers and does not run anything. The one thing to know: bind group layouts are made from the
 * kernel's contract, not from the shader ("auto" drops bindings that a shader happens not to use), so a shader that
 * contradicts its contract does not compile.
 * @module
 */
import type { Kernel, Shape } from "../../kernels/kernel.ts";
import { type KernelText, textFor, wgslOf } from "../../kernels/kernel_text.ts";
import type { F16Bindings } from "../../kernels/stored.ts";
import { type Device, KernelError } from "./device.ts";

export interface CompiledKernel {
  readonly grid: readonly [number, number, number];
  readonly pipeline: GPUComputePipeline;
  readonly layout: GPUBindGroupLayout;
}

/** What a compiler and its device know beyond what WebGPU grants everywhere. */
export interface Dialect extends Pick<Device, "features"> {
  /** Whether shaders say which extensions they use (`kernel_text.ts`). */
  readonly enables: boolean;
}

export class PipelineCache {
  readonly #gpu: GPUDevice;
  readonly #dialect: Dialect;
  readonly #modules = new Map<string, GPUShaderModule>();
  readonly #compiled = new Map<string, Promise<CompiledKernel>>();

  constructor(gpu: GPUDevice, dialect: Dialect) {
    this.#gpu = gpu;
    this.#dialect = dialect;
  }

  /** Which of a kernel's texts is compiled here. */
  textFor(kernel: Kernel, shape: Shape): KernelText {
    return textFor(kernel, shape, this.#dialect.features);
  }

  /** @throws {KernelError} with the compiler's message and the numbered source. */
  compiled(kernel: Kernel, shape: Shape, f16: F16Bindings): Promise<CompiledKernel> {
    const text = this.textFor(kernel, shape),
      key = `${titleOf(text, f16)} ${JSON.stringify(Object.entries(shape).sort())}`;
    let compiled = this.#compiled.get(key);
    if (compiled === undefined) this.#compiled.set(key, compiled = this.#compile(kernel, { text, shape, f16 }));
    return compiled;
  }

  async #compile(
    kernel: Kernel,
    { text, shape, f16 }: { readonly text: KernelText; readonly shape: Shape; readonly f16: F16Bindings },
  ): Promise<CompiledKernel> {
    const gpu = this.#gpu, name = titleOf(text, f16), { enables } = this.#dialect;
    const code = wgslOf(kernel, text, { f16, enables });
    gpu.pushErrorScope("validation");
    const module = this.#modules.get(name) ?? gpu.createShaderModule({ label: name, code });
    this.#modules.set(name, module);
    const layout = gpu.createBindGroupLayout({
      label: text.name,
      entries: Object.values(kernel.bindings).map(({ access }, binding) => ({
        binding,
        visibility: GPUShaderStage.COMPUTE,
        buffer: { type: access === "write" ? "storage" : "read-only-storage" },
      })),
    });
    const pipeline = gpu.createComputePipeline({
      label: text.name,
      layout: gpu.createPipelineLayout({ bindGroupLayouts: [layout] }),
      compute: { module, entryPoint: "main", constants: { ...shape } },
    });
    const scopeError = gpu.popErrorScope(); // popped before the first wait: scopes nest by the order of calls
    const said = (await module.getCompilationInfo()).messages.filter(({ type }) => type === "error");
    const error = await scopeError;
    if (error === null) return { pipeline, layout, grid: text.grid };

    const message = said.length > 0 ? said.map(({ message }) => message.trim()).join("\n") : error.message.trim();
    throw new KernelError(
      `Cannot compile ${name} for ${JSON.stringify(shape)}: ${message}\n\n${numbered(code)}`,
    );
  }
}

function titleOf({ name }: KernelText, f16: F16Bindings): string {
  return f16.length === 0 ? name : `${name} with ${f16.join(", ")} in f16`;
}

function numbered(source: string): string {
  return source.split("\n").map((line, i) => `${String(i + 1).padStart(4)} | ${line}`).join("\n");
}
