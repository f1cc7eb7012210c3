/**
 * The KEPT values of largest size of each chunk of 4,096: what a thin link is given of a pseudo-gradient.
 *
 * Slots are in the order of their values' places. Of values of equal size the earlier is kept, and sizes are compared
 * by their bits, so every device makes the same choice. A value below 2^−100 counts as zero, which keeps subnormal
 * numbers, that some devices flush, out of the choice. The last chunk is filled up with zeros: slots of places beyond
 * COUNT hold 0 and are nobody's.
 *
 * Aji and Heafield 2017, arXiv 1704.05021 (the largest values); Sarfi et al. 2025, arXiv 2508.15706 (by chunks).
 * @module
 */
import { defineKernel, reads, spread, writes, writesWords } from "./kernel.ts";
import source from "./top_k.wgsl" with { type: "text" };
import wasmSource from "./top_k.as" with { type: "text" };

/** Values that are compared with each other: places in a chunk have 12 bits. */
export const TOP_K_CHUNK = 4096;

export type TopKShape = {
  readonly COUNT: number;
  /** Values kept of each chunk, 1 to 4,096. */
  readonly KEPT: number;
};

/** Values of this size or larger are not zero. */
export const TOP_K_SMALLEST = 2 ** -100;

const slots = ({ COUNT, KEPT }: TopKShape) => topKChunks(COUNT) * KEPT;

export const topK = defineKernel<TopKShape>()({
  name: "top_k",
  source,
  bindings: {
    x: reads(({ COUNT }) => COUNT),
    places: writesWords(slots), // in their chunk
    values: writes(slots),
  },
  grid: ({ COUNT }) => spread(topKChunks(COUNT)),
  flops: ({ COUNT }) => 8 * COUNT,
  reference({ x, places, values }, { COUNT, KEPT }) {
    const sizes = new Float64Array(TOP_K_CHUNK);
    for (let chunk = 0; chunk < topKChunks(COUNT); chunk++) {
      const start = chunk * TOP_K_CHUNK;
      for (let place = 0; place < TOP_K_CHUNK; place++) {
        const size = start + place < COUNT ? Math.abs(x[start + place]!) : 0;
        sizes[place] = size < TOP_K_SMALLEST ? 0 : size;
      }
      const least = sizes.toSorted()[TOP_K_CHUNK - KEPT]!;
      let equals = KEPT - sizes.reduce((count, size) => count + (size > least ? 1 : 0), 0);
      let slot = chunk * KEPT;
      for (let place = 0; place < TOP_K_CHUNK; place++) {
        if (sizes[place]! < least || sizes[place] === least && equals-- <= 0) continue;
        places[slot] = place;
        values[slot++] = start + place < COUNT ? x[start + place]! : 0;
      }
    }
  },
  wasm: {
    source: wasmSource,
    entry: "top_k",
    args: ({ COUNT, KEPT }) => [COUNT, KEPT],
    items: ({ COUNT }) => topKChunks(COUNT),
    scratchWords: () => 256,
  },
});

/** Chunks of so many values; the last one may be short. */
export function topKChunks(count: number): number {
  return Math.ceil(count / TOP_K_CHUNK);
}
