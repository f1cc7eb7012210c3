/**
 * What a training step of the demo's model costs on the cpu device, kernel by kernel.
 *
 * The dispatches are those of a GPT-2 (L layers, C wide, H heads) on B sequences of T bytes, forward, backward and
 * optimizer, written out by hand: it needs no graph, and so measures kernels and nothing else.
 * @module
 */
import { adamw } from "../kernels/adamw.ts";
import { attention } from "../kernels/attention.ts";
import { attentionBackwardKeyValue } from "../kernels/attention_backward_key_value.ts";
import { attentionBackwardQuery } from "../kernels/attention_backward_query.ts";
import { columnSum } from "../kernels/column_sum.ts";
import { crossEntropy } from "../kernels/cross_entropy.ts";
import { embedding } from "../kernels/embedding.ts";
import { embeddingBackward, segmentTokens } from "../kernels/embedding_backward.ts";
import { gelu } from "../kernels/gelu.ts";
import { geluBackward } from "../kernels/gelu_backward.ts";
import type { Kernel, Shape } from "../kernels/kernel.ts";
import { layerNorm } from "../kernels/layer_norm.ts";
import { layerNormBackward } from "../kernels/layer_norm_backward.ts";
import { layerNormWeightsBackward } from "../kernels/layer_norm_weights_backward.ts";
import { matmul } from "../kernels/matmul.ts";
import { normFinal } from "../kernels/norm_final.ts";
import { normSquaredPartial } from "../kernels/norm_squared_partial.ts";
import { sum } from "../kernels/sum.ts";
import { openCpuDevice } from "../runtime/device/cpu.ts";
import { type Device, type DeviceBuffer, type Dispatch, whole } from "../runtime/device/device.ts";
import type { Bench } from "./line.ts";

type Use = readonly [kernel: Kernel, shape: Shape, times: number];

const L = 4, C = 128, H = 4, D = C / H, B = 8, T = 128, V = 256, N = B * T, F = 4 * C;
const PARAMETERS = V * C + T * C + L * (12 * C * C + 13 * C) + 2 * C;
const BLOCKS = 64;

export const kernelsBench: Bench = {
  name: "kernels",
  question: "What does each kernel of the demo model's training step cost on the cpu device?",
  async *run() {
    for (const threads of [1, 2]) {
      await using device = await openCpuDevice({ threads });
      const groups = Map.groupBy(uses(), ([kernel]) => kernel.name);
      for (const [name, group] of groups) yield { name, threads, ...await measure(device, group) };
      yield { name: "whole step", threads, ...await measure(device, uses()) };
    }
  },
};

function uses(): Use[] {
  const linear = (inner: number, outer: number, times: number, BIAS = 1): Use[] => [
    [matmul, { M: N, N: outer, K: inner, TRANSPOSE_A: 0, TRANSPOSE_B: 1, BIAS, RESIDUAL: 0, ACCUMULATE: 0 }, times],
    [matmul, { M: N, N: inner, K: outer, TRANSPOSE_A: 0, TRANSPOSE_B: 0, BIAS: 0, RESIDUAL: 0, ACCUMULATE: 0 }, times],
    [matmul, { M: outer, N: inner, K: N, TRANSPOSE_A: 1, TRANSPOSE_B: 0, BIAS: 0, RESIDUAL: 0, ACCUMULATE: 1 }, times],
    ...(BIAS === 1 ? [[columnSum, { N, C: outer, ACCUMULATE: 1 }, times] satisfies Use] : []),
  ];
  return [
    [embedding, { N, P: V, C }, 1],
    [embedding, { N, P: T, C }, 1],
    ...linear(C, 3 * C, L),
    ...linear(C, C, L),
    ...linear(C, F, L),
    ...linear(F, C, L),
    ...linear(C, V, 1, 0),
    [layerNorm, { N, C, EPSILON: 1e-5 }, 2 * L + 1],
    [layerNormBackward, { N, C, ACCUMULATE: 1 }, 2 * L + 1],
    [layerNormWeightsBackward, { N, C, ACCUMULATE: 1 }, 2 * L + 1],
    [attention, { B, T, H, G: H, D }, L],
    [attentionBackwardQuery, { B, T, H, G: H, D }, L],
    [attentionBackwardKeyValue, { B, T, H, G: H, D }, L],
    [gelu, { COUNT: N * F }, L],
    [geluBackward, { COUNT: N * F, ACCUMULATE: 0 }, L],
    [crossEntropy, { N, V, GRADIENT: 1 }, 1],
    [sum, { COUNT: N, ACCUMULATE: 0 }, 1],
    [embeddingBackward, { N, P: V, C, ACCUMULATE: 1 }, 1],
    [columnSum, { N: B, C: T * C, ACCUMULATE: 1 }, 1],
    [normSquaredPartial, { COUNT: PARAMETERS, BLOCKS }, 1],
    [normFinal, { BLOCKS }, 1],
    [adamw, { COUNT: PARAMETERS, DECAYED: PARAMETERS >> 1 }, 1],
  ];
}

/** All uses as one program, best of several rounds; GFLOP/s of those that count operations. */
async function measure(device: Device, group: readonly Use[]) {
  const buffers: DeviceBuffer[] = [];
  const dispatches: Dispatch[] = [];
  const ids = Uint32Array.from({ length: N }, (_, n) => n * n % V),
    segments: Record<string, Uint32Array> = {
      ids,
      ...segmentTokens(ids),
    };
  for (const [kernel, shape, times] of group) {
    for (let i = 0; i < times; i++) {
      const spans = Object.entries(kernel.bindings).map(([name, { length, type }]) => {
        const buffer = device.allocate(length(shape), name);
        // Norms stay 0: AdamW skips a step whose gradients are not finite, and counts them there.
        if (type === "f32" && name !== "norm") device.write(whole(buffer), new Float32Array(buffer.words).fill(0.01));
        if (kernel === embeddingBackward && name in segments) device.write(whole(buffer), segments[name]!);
        buffers.push(buffer);
        return [name, whole(buffer)] as const;
      });
      dispatches.push({ kernel, shape, spans: Object.fromEntries(spans) });
    }
  }
  const program = await device.prepare(dispatches, "bench");
  let ms = Infinity;
  for (let round = 0; round < 12; round++) {
    const startedAt = performance.now();
    device.run(program);
    await device.idle();
    ms = Math.min(ms, performance.now() - startedAt);
  }
  buffers.forEach((buffer) => device.free(buffer));
  const flops = dispatches.reduce((sum, { kernel, shape }) => sum + (kernel.flops?.(shape) ?? 0), 0);
  return { dispatches: dispatches.length, ms, gflops: flops === 0 ? null : flops / ms / 1e6 };
}
