/**
 * A program that compiles shaders with Tint, the compiler of Chrome: jobs as JSON on stdin, answers as JSON on stdout.
 *
 * It is a process of its own because Dawn, as an add-on, does not go well with Deno's own WebGPU in one process. Dawn's
 * null backend needs no GPU and has WebGPU's default limits.
 * @module
 */
import { createRequire } from "node:module";
import type { Binding, Kernel, Shape } from "../../kernels/kernel.ts";
import type { KernelText } from "../../kernels/kernel_text.ts";
import type { F16Bindings } from "../../kernels/stored.ts";
import { dawnFile } from "../../runtime/device/dawn_package.ts";
import { MATRIX_UNITS } from "../../runtime/device/matrix_units.ts";
import { PipelineCache } from "../../runtime/device/webgpu_pipelines.ts";

/** A text of a kernel as far as a compiler sees it. */
export interface TintJob
  extends Pick<KernelText, "name" | "source" | "needs" | "width" | "widths">, Pick<Kernel, "reduces"> {
  readonly bindings: Readonly<Record<string, Pick<Binding, "access" | "stored">>>;
  readonly shapes: readonly Shape[];
  readonly f16: F16Bindings;
}

interface Tint {
  /** Only kept: Dawn crashes when its instance is collected before its devices. */
  readonly dawn: GPU;
  readonly pipelines: PipelineCache;
}

if (import.meta.main) {
  const jobs: readonly TintJob[] = await new Response(Deno.stdin.readable).json();
  const file = await dawnFile({ fetching: "asked", variable: undefined }); // the one that we know, whatever is in use
  const { create }: { create(options: string[]): GPU } = createRequire(file)(file);
  const dawn = create(["backend=null", "enable-dawn-features=allow_unsafe_apis"]); // which matrix units are
  const requiredFeatures: GPUFeatureName[] = ["shader-f16", "subgroups", MATRIX_UNITS];
  const gpu = await (await dawn.requestAdapter())!.requestDevice({ requiredFeatures });
  const features = new Set(["subgroups", "broadcasts", "subgroup-matrix", "subgroup-matrix-f16"] as const);
  const tint: Tint = { dawn, pipelines: new PipelineCache(gpu, { features, enables: true }) };
  const answers: [name: string, refusal: string | null][] = [];
  for (const job of jobs) answers.push([job.name, await refusal(tint, job)]);
  console.log(JSON.stringify(answers));
  gpu.destroy();
}

async function refusal(
  { pipelines }: Tint,
  { name, source, needs, width, widths, reduces, bindings, shapes, f16 }: TintJob,
): Promise<string | null> {
  const contract = Object.fromEntries(
    Object.entries(bindings).map(([name, { access, stored = false }]) => {
      return [name, { access, stored, type: "f32" as const, length: () => 1 }];
    }),
  );
  const variant = {
    name: "",
    source,
    ...(needs && { needs }),
    ...(width === 4 && { width }),
    ...(widths && { widths }),
  };
  const kernel: Kernel = {
    ...{ name, source, bindings: contract, variants: [variant], grid: () => [1, 1, 1], reference: () => {} },
    ...(reduces && { reduces }),
  };
  try {
    for (const shape of shapes) await pipelines.compiled(kernel, shape, f16);
    return null;
  } catch (error) {
    return String(error);
  }
}
