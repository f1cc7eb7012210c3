/**
 * Copies the key and value parts of N packed rows into the cache of a sequence that is being generated, each to the
 * place of its position. qkv is (N, (H + 2G)·D), keys and values are (P, G·D).
 *
 * A position of P or more writes nothing. No two rows may have the same position.
 * @module
 */
import { defineKernel, reads, readsWords, spread, writes } from "./kernel.ts";
import { type Heads, packedWidth } from "./packed_heads.ts";
import source from "./cache_append.wgsl" with { type: "text" };

export type CacheShape = Heads & {
  /** Rows: tokens that were just computed. */
  readonly N: number;
  /** Positions of the cache. */
  readonly P: number;
};

/** Values of keys, and as many of values, that one workgroup copies. */
const LANES = 64;

export const cacheAppend = defineKernel<CacheShape>()({
  name: "cache_append",
  source,
  bindings: {
    qkv: reads<CacheShape>((shape) => shape.N * packedWidth(shape)),
    positions: readsWords<CacheShape>(({ N }) => N),
    keys: writes<CacheShape>(({ P, G, D }) => P * G * D),
    values: writes<CacheShape>(({ P, G, D }) => P * G * D),
  },
  grid: ({ N, G, D }) => spread(Math.ceil(N * G * D / LANES)),
  moves: ({ N, H, G, P }) => ({ qkv: 2 * G / (H + 2 * G), keys: N / P, values: N / P }),
  reference({ qkv, positions, keys, values }, shape) {
    const { N, H, G, D, P } = shape, width = packedWidth(shape);
    for (let n = 0; n < N; n++) {
      const position = positions[n]!, key = n * width + H * D, value = key + G * D;
      if (position >= P) continue;
      keys.set(qkv.subarray(key, key + G * D), position * G * D);
      values.set(qkv.subarray(value, value + G * D), position * G * D);
    }
  },
});
