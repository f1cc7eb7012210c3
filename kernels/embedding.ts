/**
 * Embedding, forward: each token takes its row of a table. Serves tokens, and positions with their own table.
 *
 * N tokens, P rows of the table, C width. Ids are below P: whoever writes them checks that, a kernel cannot complain.
 * @module
 */
import { defineKernel, reads, readsWords, spread, writes } from "./kernel.ts";
import { variantsOf } from "./kernel_text.ts";
import source from "./embedding.wgsl" with { type: "text" };
import wasmSource from "./embedding.as" with { type: "text" };

export type EmbeddingShape = {
  readonly N: number;
  readonly P: number;
  readonly C: number;
};

export const embedding = defineKernel<EmbeddingShape>()({
  name: "embedding",
  source,
  bindings: {
    ids: readsWords(({ N }) => N),
    table: reads(({ P, C }) => P * C),
    y: writes(({ N, C }) => N * C),
  },
  grid: ({ N, C }) => spread(Math.ceil(N * C / 256)),
  variants: variantsOf(source, {
    wide: { fits: ({ C }) => C % 4 === 0, grid: ({ N, C }) => spread(Math.ceil(N * C / 4 / 256)) },
  }),
  moves: ({ N, P }) => ({ table: Math.min(1, N / P) }),
  reference({ ids, table, y }, { N, C }) {
    for (let n = 0; n < N; n++) y.set(table.subarray(ids[n]! * C, (ids[n]! + 1) * C), n * C);
  },
  wasm: {
    source: wasmSource,
    entry: "embedding",
    args: ({ P, C }) => [P, C],
    items: ({ N }) => N,
  },
});
