/**
 * Cross-entropy of N rows of logits (N, V) against their target ids, and its gradient in the same buffer.
 *
 * losses[n] = lse(logits[n]) − logits[n, target]. With GRADIENT 1 every logit is replaced by
 * scale·(softmax − [it is the target]); with 0 the logits stay. `scale` is data (1 / number of predicted tokens of the
 * whole batch, for a mean), so that it can change between steps; it does not touch the losses.
 *
 * A row whose target is `IGNORED_TARGET` has loss 0 and gradient 0. Every other target must be below V.
 * @module
 */
import { defineKernel, reads, readsWords, spread, writes } from "./kernel.ts";
import { variantsOf } from "./kernel_text.ts";
import source from "./cross_entropy.wgsl" with { type: "text" };
import wasmSource from "./cross_entropy.as" with { type: "text" };

export type CrossEntropyShape = {
  /** Rows: tokens of a micro-batch. */
  readonly N: number;
  /** Columns: size of the vocabulary. */
  readonly V: number;
  /** 1: leaves the gradient in `logits`. */
  readonly GRADIENT: number;
};

/** The target of a row that counts for nothing: padding, or the last position of a text. */
export const IGNORED_TARGET = 0xffff_ffff;

export const crossEntropy = defineKernel<CrossEntropyShape>()({
  name: "cross_entropy",
  source,
  bindings: {
    logits: writes<CrossEntropyShape>(({ N, V }) => N * V),
    targets: readsWords<CrossEntropyShape>(({ N }) => N),
    scale: reads<CrossEntropyShape>(() => 1),
    losses: writes<CrossEntropyShape>(({ N }) => N),
  },
  grid: ({ N }) => spread(N),
  reduces: "f32",
  variants: variantsOf(source, { reduces: true, wide: { fits: ({ V }) => V % 4 === 0 } }),
  flops: ({ N, V, GRADIENT }) => (GRADIENT === 1 ? 7 : 4) * N * V,
  moves: ({ GRADIENT }) => ({ logits: 1 + GRADIENT }),
  reference({ logits, targets, scale, losses }, { N, V, GRADIENT }) {
    for (let n = 0; n < N; n++) {
      const row = logits.subarray(n * V, (n + 1) * V), target = targets[n]!;
      if (target === IGNORED_TARGET) {
        losses[n] = 0;
        if (GRADIENT === 1) row.fill(0);
        continue;
      }
      let largest = -Infinity, sum = 0;
      for (let v = 0; v < V; v++) largest = Math.max(largest, row[v]!);
      for (let v = 0; v < V; v++) sum += Math.exp(row[v]! - largest);
      losses[n] = largest - row[target]! + Math.log(sum);
      if (GRADIENT === 0) continue;
      for (let v = 0; v < V; v++) {
        row[v] = scale[0]! * (Math.exp(row[v]! - largest) / sum - (v === target ? 1 : 0));
      }
    }
  },
  wasm: {
    source: wasmSource,
    entry: "cross_entropy",
    args: ({ V, GRADIENT }) => [V, GRADIENT],
    items: ({ N }) => N,
  },
});
