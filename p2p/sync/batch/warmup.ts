/**
 * Batch warm-up: the batch grows by the tokens of the run, whatever the gradients say. It is the heuristic that adaptive
 * batches are compared with (Lau et al. 2024, arXiv 2412.21124); by doubling, as in Merrill et al. 2025, arXiv 2505.23971.
 * @module
 */
import type { WarmupChoice } from "../types.ts";
import type { Schedule } from "./policy.ts";

export function warmup({ to, tokens: lengthTokens, shape }: WarmupChoice): Schedule {
  return {
    kind: "schedule",
    name: "warm-up",
    wanted(tokens, first) {
      if (tokens >= lengthTokens) return Math.max(first, to);
      const progress = tokens / lengthTokens;
      return shape === "linear" ? linear(first, { to, progress }) : doubling(first, { to, progress });
    },
  };
}

interface Ramp {
  readonly to: number;
  /** From 0 to less than 1. */
  readonly progress: number;
}

function linear(first: number, { to, progress }: Ramp): number {
  return Math.floor(first + Math.max(0, to - first) * progress);
}

/** As many doublings as it takes to be there, at equal distances, the last one at the end and perhaps not whole. */
function doubling(first: number, { to, progress }: Ramp): number {
  let doublings = 0;
  for (let batch = first; batch < to; batch *= 2) doublings++;
  let batch = first;
  for (let done = 1; done <= Math.floor(progress * doublings); done++) batch *= 2;
  return batch;
}
