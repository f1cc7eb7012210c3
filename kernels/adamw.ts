/**
 * One step of AdamW on an arena of parameters, with clipping by the global norm.
 *
 * Everything that changes from step to step is data in `step`, made by `adamwStep()`. The first DECAYED
 * values decay. `norm` is the result of `norm_final` over all gradients, and of `loss_scale` where they are scaled: each
 * gradient is first multiplied by its factor (1 if not scaled) and by min(1, clip / (norm + 1e-6)), as PyTorch's
 * `clip_grad_norm_` does; clip 0 is off. If the norm is not finite or a
 * gradient was not, nothing changes at all: a bad batch must not reach the moments.
 *
 * Loshchilov and Hutter 2019, arXiv 1711.05101, algorithm 2, in the order of PyTorch's `AdamW`.
 * @module
 */
import { defineKernel, reads, spread, writes } from "./kernel.ts";
import { variantsOf, WIDE_COUNT } from "./kernel_text.ts";
import source from "./adamw.wgsl" with { type: "text" };
import wasmSource from "./adamw.as" with { type: "text" };

export type AdamWShape = {
  readonly COUNT: number;
  /** How many values, from the first, decay: matrices come first in an arena, biases and norms last. */
  readonly DECAYED: number;
};

export interface AdamWStep {
  readonly rate: number;
  readonly beta1: number;
  readonly beta2: number;
  readonly epsilon: number;
  readonly decay: number;
  /** Counts steps, from 1. */
  readonly t: number;
  /** Product of β₂ over all steps, where it was not always the same. Default: β₂ᵗ. */
  readonly beta2Product?: number;
  /** Largest global norm; 0 clips nothing. */
  readonly clip: number;
}

/** The contents of `step`: rate, β₁, β₂, ε, decay, 1 − β₁ᵗ, 1 − β₂ᵗ, clip. The powers are taken in f64. */
export function adamwStep(
  { rate, beta1, beta2, epsilon, decay, t, beta2Product = beta2 ** t, clip }: AdamWStep,
): Float32Array<ArrayBuffer> {
  return Float32Array.of(rate, beta1, beta2, epsilon, decay, 1 - beta1 ** t, 1 - beta2Product, clip);
}

export const adamw = defineKernel<AdamWShape>()({
  name: "adamw",
  source,
  bindings: {
    p: writes(({ COUNT }) => COUNT),
    g: reads(({ COUNT }) => COUNT),
    m: writes(({ COUNT }) => COUNT),
    v: writes(({ COUNT }) => COUNT),
    /** The norm, how many gradients are not finite, their factor, and what is not looked at. */
    norm: reads(() => 4),
    /** Of `adamwStep()`. */
    step: reads(() => 8),
  },
  grid: ({ COUNT }) => spread(Math.ceil(COUNT / 256)),
  variants: variantsOf<AdamWShape>(source, {
    wide: { ...WIDE_COUNT, fits: ({ COUNT, DECAYED }) => COUNT % 4 === 0 && DECAYED % 4 === 0 },
  }),
  flops: ({ COUNT }) => 15 * COUNT,
  moves: () => ({ p: 2, m: 2, v: 2 }),
  reference({ p, g, m, v, norm, step }, { COUNT, DECAYED }) {
    const rate = step[0]!, beta1 = step[1]!, beta2 = step[2]!, epsilon = step[3]!, decay = step[4]!;
    const correction1 = step[5]!, correction2 = step[6]!, clip = step[7]!;
    if (!Number.isFinite(norm[0]!) || norm[1]! > 0) return;
    const scale = norm[2]! * (clip > 0 ? Math.min(1, clip / (norm[0]! + 1e-6)) : 1);
    for (let i = 0; i < COUNT; i++) {
      const gradient = g[i]! * scale;
      m[i] = beta1 * m[i]! + (1 - beta1) * gradient;
      v[i] = beta2 * v[i]! + (1 - beta2) * gradient * gradient;
      const decayed = i < DECAYED ? p[i]! * (1 - rate * decay) : p[i]!;
      p[i] = decayed - rate * (m[i]! / correction1) / (Math.sqrt(v[i]! / correction2) + epsilon);
    }
  },
  wasm: {
    source: wasmSource,
    entry: "adamw",
    args: ({ COUNT, DECAYED }) => [COUNT, DECAYED],
    items: ({ COUNT }) => Math.ceil(COUNT / 64),
  },
});
