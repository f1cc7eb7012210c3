/**
 * Counts, for each tensor of an arena, the values that are NaN or infinite: where a gradient broke.
 *
 * It looks only if `norm` says that there are any, and otherwise leaves the counts of the last time that there were: so
 * it can be part of every step and costs next to nothing in good ones.
 * @module
 */
import { defineKernel, reads, readsWords, spread, writesWords } from "./kernel.ts";
import source from "./non_finite.wgsl" with { type: "text" };

export type NonFiniteShape = {
  readonly COUNT: number;
  readonly TENSORS: number;
};

export const nonFinite = defineKernel<NonFiniteShape>()({
  name: "non_finite",
  source,
  bindings: {
    x: reads(({ COUNT }) => COUNT),
    /** First value of each tensor, then COUNT. */
    starts: readsWords(({ TENSORS }) => TENSORS + 1),
    /** Of `norm_final` over x. */
    norm: reads(() => 4),
    counts: writesWords(({ TENSORS }) => TENSORS),
  },
  grid: ({ TENSORS }) => spread(TENSORS),
  moves: () => ({ x: 0, counts: 0 }), // with norm[1] = 0, as nearly always
  reference({ x, starts, norm, counts }, { TENSORS }) {
    if (norm[1] === 0) return;
    for (let tensor = 0; tensor < TENSORS; tensor++) {
      let count = 0;
      for (let i = starts[tensor]!; i < starts[tensor + 1]!; i++) if (!Number.isFinite(x[i]!)) count++;
      counts[tensor] = count;
    }
  },
});
