/**
 * Embedding, backward: each row of the table receives the sum of the gradients of its tokens, in the order of tokens.
 *
 * N tokens, P rows of the table, C width. A row that no token uses receives 0, or is left alone with `ACCUMULATE`.
 * @module
 */
import { defineKernel, reads, readsWords, spread, writes } from "./kernel.ts";
import source from "./embedding_backward.wgsl" with { type: "text" };
import wasmSource from "./embedding_backward.as" with { type: "text" };

export type EmbeddingBackwardShape = {
  readonly N: number;
  readonly P: number;
  readonly C: number;
  /** 1 adds to `dtable`, 0 overwrites it. */
  readonly ACCUMULATE: number;
};

export const embeddingBackward = defineKernel<EmbeddingBackwardShape>()({
  name: "embedding_backward",
  source,
  bindings: {
    ids: readsWords(({ N }) => N),
    dy: reads(({ N, C }) => N * C),
    dtable: writes(({ P, C }) => P * C),
  },
  grid: ({ P }) => spread(P),
  flops: ({ N, C }) => N * C,
  moves: ({ N, P, ACCUMULATE }) => ({ dtable: ACCUMULATE === 1 ? 2 * Math.min(1, N / P) : 1 }),
  reference({ ids, dy, dtable }, { N, C, ACCUMULATE }) {
    if (ACCUMULATE === 0) dtable.fill(0);
    for (let n = 0; n < N; n++) {
      for (let c = 0; c < C; c++) dtable[ids[n]! * C + c]! += dy[n * C + c]!;
    }
  },
  wasm: {
    source: wasmSource,
    entry: "embedding_backward",
    args: ({ N, P, C, ACCUMULATE }) => [N, P, C, ACCUMULATE],
    items: ({ C }) => Math.ceil(C / 16),
  },
});
