/**
 * Embedding, backward: each row of the table receives the sum of the gradients of its tokens, in the order of tokens.
 *
 * N tokens, P rows of the table, C width. The tokens come sorted by their row, which the host does once a batch
 * (`segmentTokens`): so a row's tokens are found without a search or an atomic, and with `ACCUMULATE` a row that no
 * token uses is not touched. Without, it receives 0.
 * @module
 */
import { defineKernel, reads, readsWords, spread, writes } from "./kernel.ts";
import { variantsOf } from "./kernel_text.ts";
import source from "./embedding_backward.wgsl" with { type: "text" };
import wasmSource from "./embedding_backward.as" with { type: "text" };

export type EmbeddingBackwardShape = {
  readonly N: number;
  readonly P: number;
  readonly C: number;
  /** 1 adds to `dtable`, 0 overwrites it. */
  readonly ACCUMULATE: number;
};

/** Columns of one workgroup. */
const COLUMNS = 64;

export const embeddingBackward = defineKernel<EmbeddingBackwardShape>()({
  name: "embedding_backward",
  source,
  bindings: {
    ids: readsWords(({ N }) => N),
    order: readsWords(({ N }) => N),
    stops: readsWords(({ N }) => N),
    dy: reads(({ N, C }) => N * C),
    dtable: writes(({ P, C }) => P * C),
  },
  grid: ({ N, C }) => spread(N * Math.ceil(C / COLUMNS)),
  variants: variantsOf(source, {
    wide: { fits: ({ C }) => C % 4 === 0, grid: ({ N, C }) => spread(N * Math.ceil(C / 4 / COLUMNS)) },
  }),
  flops: ({ N, C }) => N * C,
  moves: ({ N, P, ACCUMULATE }) => ({ dtable: ACCUMULATE === 1 ? 2 * Math.min(1, N / P) : 1 }),
  reference({ ids, order, stops, dy, dtable }, { N, C, ACCUMULATE }) {
    if (ACCUMULATE === 0) dtable.fill(0);
    for (let place = 0; place < N; place++) {
      for (let k = place; k < stops[place]!; k++) {
        const n = order[k]!, row = ids[n]!;
        for (let c = 0; c < C; c++) dtable[row * C + c]! += dy[n * C + c]!;
      }
    }
  },
  wasm: {
    source: wasmSource,
    entry: "embedding_backward",
    args: ({ N, P, C, ACCUMULATE }) => [N, P, C, ACCUMULATE],
    items: ({ N }) => N,
  },
});

/** Tokens in segments of equal id. */
export interface TokenSegments {
  /** (N): tokens in the order of their ids, those of one id in their own order. */
  readonly order: Uint32Array;
  /** (N): where a segment of `order` begins, the place after its end; 0 elsewhere. */
  readonly stops: Uint32Array;
}

/** Memory to sort in, with anything in it. */
export interface SegmentRoom extends TokenSegments {
  /** Words for two more than the largest id. */
  readonly ends: Uint32Array;
}

/** Sorts tokens by their ids, by counting: time and memory go with N and the largest id. */
export function segmentTokens(ids: Uint32Array, room?: SegmentRoom): TokenSegments {
  const N = ids.length;
  let largest = 0;
  for (const id of ids) largest = Math.max(largest, id);
  const { order, stops, ends } = room ??
    { order: new Uint32Array(N), stops: new Uint32Array(N), ends: new Uint32Array(largest + 2) };
  stops.fill(0);
  /** Of an id: where its next token goes; once all have gone there, where its segment ends. */
  ends.fill(0, 0, largest + 2);
  for (const id of ids) ends[id + 1]!++;
  for (let id = 1; id <= largest; id++) ends[id]! += ends[id - 1]!;
  for (let n = 0; n < N; n++) order[ends[ids[n]!]!++] = n;
  for (let start = 0; start < N; start = stops[start]!) stops[start] = ends[ids[order[start]!]!]!;
  return { order, stops };
}
