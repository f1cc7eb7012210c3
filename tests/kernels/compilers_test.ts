/**
 * Every shader compiles under both compilers, and says what its contract says.
 *
 * The compilers are naga (Deno, Firefox) and Tint (Chrome, Edge, Dawn). They accept different programs: naga does not
 * look for barriers in divergent control flow and does not count workgroup memory, Tint does both. Tint runs on Dawn's
 * null backend, which needs no GPU, and with WebGPU's default limits: 16 KiB of workgroup memory, 8 storage buffers and
 * 256 invocations, which every GPU has.
 */
import { strict as assert } from "node:assert";
import { create } from "webgpu";
import { kernels } from "../../kernels/all.ts";
import type { Kernel, Shape } from "../../kernels/kernel.ts";
import { whole } from "../../runtime/device/device.ts";
import { PipelineCache } from "../../runtime/device/webgpu_pipelines.ts";
import { gpuTest, testDevice } from "./check.ts";

/** Two shapes for each kernel; together they have every switch on and off. */
const SHAPES: Readonly<Record<string, readonly Shape[]>> = {
  adamw: [{ COUNT: 1, DECAYED: 0 }, { COUNT: 1000, DECAYED: 700 }],
  add: [{ COUNT: 1 }, { COUNT: 1000 }],
  attention: [{ B: 1, T: 1, H: 1, G: 1, D: 2 }, { B: 2, T: 65, H: 4, G: 2, D: 64 }],
  attention_backward_dot: [{ B: 1, T: 1, H: 1, D: 2 }, { B: 2, T: 65, H: 4, D: 64 }],
  attention_backward_key_value: [{ B: 1, T: 1, H: 1, G: 1, D: 2 }, { B: 2, T: 65, H: 4, G: 2, D: 64 }],
  attention_backward_query: [{ B: 1, T: 1, H: 1, G: 1, D: 2 }, { B: 2, T: 65, H: 4, G: 2, D: 64 }],
  attention_cached: [{ N: 1, H: 1, G: 1, D: 2, P: 1 }, { N: 3, H: 4, G: 2, D: 64, P: 100 }],
  cache_append: [{ N: 1, H: 1, G: 1, D: 2, P: 1 }, { N: 3, H: 4, G: 2, D: 64, P: 100 }],
  column_sum: [{ N: 1, C: 1, ACCUMULATE: 0 }, { N: 100, C: 65, ACCUMULATE: 1 }],
  copy: [{ COUNT: 1, ACCUMULATE: 0 }, { COUNT: 1000, ACCUMULATE: 1 }],
  cross_entropy: [{ N: 1, V: 2, GRADIENT: 0 }, { N: 7, V: 1000, GRADIENT: 1 }],
  delta: [{ COUNT: 1 }, { COUNT: 1000 }],
  embedding: [{ N: 1, P: 1, C: 1 }, { N: 7, P: 100, C: 65 }],
  embedding_backward: [{ N: 1, P: 1, C: 1, ACCUMULATE: 0 }, { N: 7, P: 100, C: 65, ACCUMULATE: 1 }],
  fill: [{ COUNT: 1 }, { COUNT: 1000 }],
  gelu: [{ COUNT: 1 }, { COUNT: 1000 }],
  gelu_backward: [{ COUNT: 1, ACCUMULATE: 0 }, { COUNT: 1000, ACCUMULATE: 1 }],
  layer_norm: [{ N: 1, C: 1, EPSILON: 1e-5 }, { N: 7, C: 65, EPSILON: 1e-6 }],
  layer_norm_backward: [{ N: 1, C: 1, ACCUMULATE: 0 }, { N: 7, C: 65, ACCUMULATE: 1 }],
  layer_norm_weights_backward: [{ N: 1, C: 1, ACCUMULATE: 0 }, { N: 7, C: 65, ACCUMULATE: 1 }],
  matmul: [
    { M: 1, N: 1, K: 1, TRANSPOSE_A: 0, TRANSPOSE_B: 1, BIAS: 1, ACCUMULATE: 0 },
    { M: 70, N: 131, K: 45, TRANSPOSE_A: 1, TRANSPOSE_B: 0, BIAS: 0, ACCUMULATE: 1 },
  ],
  norm_final: [{ BLOCKS: 1 }, { BLOCKS: 1000 }],
  norm_squared_partial: [{ COUNT: 1, BLOCKS: 1 }, { COUNT: 1000, BLOCKS: 7 }],
  quantise_int8: [{ COUNT: 4, BLOCK: 4 }, { COUNT: 1024, BLOCK: 256 }],
  rms_norm: [{ N: 1, C: 1, EPSILON: 1e-5 }, { N: 7, C: 65, EPSILON: 1e-6 }],
  rms_norm_backward: [{ N: 1, C: 1, ACCUMULATE: 0 }, { N: 7, C: 65, ACCUMULATE: 1 }],
  rms_norm_weights_backward: [{ N: 1, C: 1, ACCUMULATE: 0 }, { N: 7, C: 65, ACCUMULATE: 1 }],
  rope: [
    { N: 1, ROTATED_HEADS: 1, ROW: 2, D: 2, P: 1, INVERSE: 0, ACCUMULATE: 1 },
    { N: 7, ROTATED_HEADS: 6, ROW: 8 * 64, D: 64, P: 100, INVERSE: 1, ACCUMULATE: 0 },
  ],
  sum: [{ COUNT: 1, ACCUMULATE: 0 }, { COUNT: 1000, ACCUMULATE: 1 }],
  swiglu: [{ N: 1, F: 1 }, { N: 7, F: 65 }],
  swiglu_backward: [{ N: 1, F: 1, ACCUMULATE: 0 }, { N: 7, F: 65, ACCUMULATE: 1 }],
};

Deno.test("every .wgsl in kernels/ belongs to a kernel of its name in kernels/all.ts, and has shapes here", () => {
  const files = [...Deno.readDirSync(new URL("../../kernels", import.meta.url))].map(({ name }) => name);
  const shaders = files.filter((name) => name.endsWith(".wgsl")).map((name) => name.slice(0, -".wgsl".length)).sort();
  assert.deepEqual(kernels.map(({ name }) => name).sort(), shaders);
  assert.deepEqual(Object.keys(SHAPES).sort(), shaders);
});

for (const kernel of kernels) {
  const shapes = SHAPES[kernel.name] ?? [];

  Deno.test(`the text of ${kernel.name}.wgsl declares the constants and bindings of its contract`, () => {
    const text = kernel.source.replaceAll(/\/\/.*$/gm, "");
    const overrides = [...text.matchAll(/\boverride\s+(\w+)/g)].map((match) => match[1]).sort();
    for (const shape of shapes) assert.deepEqual(overrides, Object.keys(shape).sort());
    assert.deepEqual(
      declaredBindings(text),
      Object.entries(kernel.bindings).map(([name, { access, type }], binding) => {
        return { binding, name, access: access === "write" ? "read_write" : "read", type };
      }),
    );
  });

  gpuTest(`${kernel.name}.wgsl compiles under naga`, async () => {
    const device = await testDevice();
    for (const shape of shapes) {
      const spans = Object.fromEntries(
        Object.entries(kernel.bindings).map((
          [name, { length }],
        ) => [name, whole(device.allocate(length(shape), name))]),
      );
      await device.prepare([{ kernel, shape, spans }], kernel.name);
      Object.values(spans).forEach(({ buffer }) => device.free(buffer));
    }
  });

  Deno.test(`${kernel.name}.wgsl compiles under Tint within WebGPU's default limits`, async () => {
    await compileUnderTint(kernel, shapes);
  });
}

Deno.test("Tint refuses what naga lets pass: a barrier in divergent flow, and more than 16 KiB of workgroup memory", async () => {
  const shader = (memory: string, body: string) => ({
    ...kernels[0]!,
    name: body,
    bindings: {},
    source: `var<workgroup> shares: array<f32, ${memory}>; @compute @workgroup_size(64)
      fn main(@builtin(local_invocation_index) lane: u32) { ${body} shares[lane] = 1.0; }`,
  });
  await compileUnderTint(shader("4096", "workgroupBarrier();"), [{}]);
  await assert.rejects(compileUnderTint(shader("4097", ""), [{}]), /workgroup/);
  await assert.rejects(compileUnderTint(shader("64", "if (lane > 3u) { workgroupBarrier(); }"), [{}]), /uniform/);
});

async function compileUnderTint(kernel: Kernel, shapes: readonly Shape[]): Promise<void> {
  const adapter = await create(["backend=null"]).requestAdapter();
  const gpu = await adapter!.requestDevice();
  try {
    const pipelines = new PipelineCache(gpu);
    for (const shape of shapes) await pipelines.compiled(kernel, shape);
  } finally {
    gpu.destroy();
  }
}

function declaredBindings(text: string) {
  const declaration = /@group\(0\)\s*@binding\((\d+)\)\s*var<storage,\s*(\w+)>\s*(\w+)\s*:\s*array<(\w+)>/g;
  return [...text.matchAll(declaration)].map(([, binding, access, name, type]) => {
    return { binding: Number(binding), name, access, type };
  });
}
