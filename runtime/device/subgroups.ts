/**
 * Whether a GPU adds and compares by subgroups rightly: asked once, before any kernel reduces so.
 *
 * Workgroups of several sizes, smaller and larger than a subgroup, sum whole numbers and find the largest, and every
 * invocation must know both: whole numbers have one right answer in any order. It costs one wait.
 * @module
 */
import { reductionCheck } from "../../kernels/reduction_check.ts";
import { PipelineCache } from "./webgpu_pipelines.ts";
import { Readback } from "./webgpu_readback.ts";

/** Invocations of a workgroup; the kernels that reduce have 64 and 256. */
const SIZES = [16, 64, 256];
const GROUPS = 5;

/** Null if all is well, else what is not: "a workgroup of 64 adds up to 31 what is 2080". */
export async function selfTestSubgroups(gpu: GPUDevice, enables: boolean): Promise<string | null> {
  const pipelines = new PipelineCache(gpu, { features: new Set(["subgroups"]), enables });
  const readback = new Readback(gpu), buffers: GPUBuffer[] = [];
  const { STORAGE, COPY_SRC, COPY_DST } = GPUBufferUsage;
  const buffer = (label: string, words: number) => {
    const made = gpu.createBuffer({ label, size: 4 * words, usage: STORAGE | COPY_SRC | COPY_DST });
    buffers.push(made);
    return made;
  };
  try {
    const encoder = gpu.createCommandEncoder({ label: "self-test" }), pass = encoder.beginComputePass();
    const runs = [];
    for (const LANES of SIZES) {
      const words = LANES * GROUPS;
      const { pipeline, layout, grid } = await pipelines.compiled(reductionCheck, { LANES, GROUPS }, []);
      const x = Float32Array.from({ length: words }, (_, i) => (i * 7919) % 1009 - 1500); // all below 0
      const bound = Object.keys(reductionCheck.bindings).map((name) => buffer(name, words));
      gpu.queue.writeBuffer(bound[0]!, 0, x);
      pass.setPipeline(pipeline);
      const entries = bound.map((buffer, binding) => ({ binding, resource: { buffer } }));
      pass.setBindGroup(0, gpu.createBindGroup({ layout, entries }));
      pass.dispatchWorkgroups(...grid);
      runs.push({ LANES, x, outputs: bound.slice(1).map((source) => ({ source, start: 0, words })) });
    }
    pass.end();
    gpu.queue.submit([encoder.finish()]);
    const found = await readback.read(runs.flatMap(({ outputs }) => outputs));
    return runs.map(({ LANES, x }, i) => problemOf({ LANES, x, sums: found[2 * i]!, maxima: found[2 * i + 1]! }))
      .find((problem) => problem !== null) ?? null;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  } finally {
    readback.destroy();
    buffers.forEach((buffer) => buffer.destroy());
  }
}

interface Found {
  readonly LANES: number;
  readonly x: Float32Array;
  readonly sums: Float32Array;
  readonly maxima: Float32Array;
}

function problemOf({ LANES, x, sums, maxima }: Found): string | null {
  for (let i = 0; i < x.length; i++) {
    const start = i - i % LANES, values = x.subarray(start, start + LANES);
    const sum = values.reduce((sum, value) => sum + value, 0), largest = Math.max(...values);
    if (sums[i] !== sum) return `a workgroup of ${LANES} adds up to ${sums[i]} what is ${sum}`;
    if (maxima[i] !== largest) return `a workgroup of ${LANES} finds ${maxima[i]} the largest, not ${largest}`;
  }
  return null;
}
