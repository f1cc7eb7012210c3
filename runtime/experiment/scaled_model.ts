/**
 * A smaller or larger model of the same family: for proxies, and to see what depth or width alone does.
 *
 * Width grows by heads of one size, so that attention stays what it is; hidden width and key heads keep their ratios.
 * Vocabulary and context are the text's and stay.
 * @module
 */
import { headSize, type ModelConfig } from "../model/config.ts";

export interface ModelScale {
  readonly width: number;
  readonly depth: number;
}

/** A model with so many times the width and the depth, at least one head and one layer. */
export function scaledModel(model: ModelConfig, { width, depth }: ModelScale): ModelConfig {
  const size = headSize(model), headCount = Math.max(1, Math.round(model.headCount * width));
  const keyValueHeadCount = divisorNear(headCount, model.keyValueHeadCount * headCount / model.headCount);
  return {
    ...model,
    layerCount: Math.max(1, Math.round(model.layerCount * depth)),
    headCount,
    keyValueHeadCount: model.family === "gpt2" ? headCount : keyValueHeadCount,
    width: headCount * size,
    hiddenWidth: Math.max(2, Math.round(model.hiddenWidth * headCount / model.headCount)),
  };
}

/** The divisor of `count` that is nearest to `wanted`, the larger of two. */
function divisorNear(count: number, wanted: number): number {
  const divisors = Array.from({ length: count }, (_, i) => count - i).filter((divisor) => count % divisor === 0);
  return divisors.reduce((best, divisor) => Math.abs(divisor - wanted) < Math.abs(best - wanted) ? divisor : best);
}
