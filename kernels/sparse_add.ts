/**
 * Adds values at places of chunks of 4,096, as `top_k` gives them: y[4096·chunk + place] += value.
 *
 * No two slots of a chunk may have one place. Slots of places beyond COUNT are nobody's.
 * @module
 */
import { defineKernel, reads, readsWords, spread, writes } from "./kernel.ts";
import source from "./sparse_add.wgsl" with { type: "text" };
import wasmSource from "./sparse_add.as" with { type: "text" };
import { TOP_K_CHUNK, topKChunks, type TopKShape } from "./top_k.ts";

const slots = ({ COUNT, KEPT }: TopKShape) => topKChunks(COUNT) * KEPT;

export const sparseAdd = defineKernel<TopKShape>()({
  name: "sparse_add",
  source,
  bindings: {
    places: readsWords(slots),
    values: reads(slots),
    y: writes(({ COUNT }) => COUNT),
  },
  grid: (shape) => spread(Math.ceil(slots(shape) / 256)),
  flops: slots,
  moves: (shape) => ({ y: 2 * slots(shape) / shape.COUNT }),
  reference({ places, values, y }, { COUNT, KEPT }) {
    for (let slot = 0; slot < values.length; slot++) {
      const at = Math.floor(slot / KEPT) * TOP_K_CHUNK + places[slot]!;
      if (at < COUNT) y[at] = y[at]! + values[slot]!;
    }
  },
  wasm: {
    source: wasmSource,
    entry: "sparse_add",
    args: ({ COUNT, KEPT }) => [COUNT, KEPT],
    items: ({ COUNT }) => topKChunks(COUNT),
  },
});
