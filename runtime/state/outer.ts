/**
 * The outer optimizer: Nesterov momentum on the mean pseudo-gradient A, in PyTorch's form.
 *
 *     m ← μ·m + A
 *     θ ← θ − lr·(A + μ·m)
 *
 * Douillard et al. 2023, arXiv 2311.08105, algorithm 1, with `torch.optim.SGD(nesterov=True)` as the outer step. With
 * lr 1 and μ 0 it is plain averaging of the peers' weights.
 *
 * Each line is computed in f64 from f32 values, in the order written, and rounded once: the same bits everywhere.
 * @module
 */
import type { OuterConfig } from "../config.ts";

export type OuterRates = Pick<OuterConfig, "learningRate" | "momentum">;

/** One outer step in place. `momentum` is null where μ is 0: then there is nothing to remember. */
export function outerStep(
  { weights, momentum, mean }: {
    readonly weights: Float32Array;
    readonly momentum: Float32Array | null;
    readonly mean: Float32Array | Float64Array;
  },
  { learningRate, momentum: mu }: OuterRates,
): void {
  if (momentum === null) {
    for (let i = 0; i < weights.length; i++) weights[i] = weights[i]! - learningRate * mean[i]!;
    return;
  }
  for (let i = 0; i < weights.length; i++) {
    const a = mean[i]!, m = Math.fround(mu * momentum[i]! + a);
    momentum[i] = m;
    weights[i] = weights[i]! - learningRate * (a + mu * m);
  }
}
