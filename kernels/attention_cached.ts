/**
 * Attention for generation: N new rows look at the cached keys and values of their sequence, where row n sees the
 * cache positions ≤ positions[n]. `cache_append` must have put the rows' own keys and values there before.
 *
 * The k and v parts of `qkv` are not read. There is no lse, as nothing is differentiated. qkv is (N, (H + 2G)·D), keys
 * and values are (P, G·D), y is (N, H·D).
 * @module
 */
import type { CacheShape } from "./cache_append.ts";
import { defineKernel, reads, readsWords, spread, writes } from "./kernel.ts";
import { variantsOf } from "./kernel_text.ts";
import { headDot, keyValueHead, packedWidth } from "./packed_heads.ts";
import source from "./attention_cached.wgsl" with { type: "text" };
import wasmSource from "./attention_cached.as" with { type: "text" };

export const attentionCached = defineKernel<CacheShape>()({
  name: "attention_cached",
  source,
  bindings: {
    qkv: reads<CacheShape>((shape) => shape.N * packedWidth(shape)),
    positions: readsWords<CacheShape>(({ N }) => N),
    keys: reads<CacheShape>(({ P, G, D }) => P * G * D),
    values: reads<CacheShape>(({ P, G, D }) => P * G * D),
    y: writes<CacheShape>(({ N, H, D }) => N * H * D),
  },
  grid: ({ N, H }) => spread(N * H),
  reduces: "f32",
  variants: variantsOf(source, { wide: { fits: ({ D }) => D % 4 === 0 }, reduces: true }),
  reference({ qkv, positions, keys, values, y }, shape) {
    const { N, H, G, D, P } = shape, width = packedWidth(shape);
    const weights = new Float64Array(P);
    for (let n = 0; n < N; n++) {
      const seen = Math.min(positions[n]! + 1, P);
      for (let h = 0; h < H; h++) {
        const head = keyValueHead(shape, h) * D;
        let largest = -Infinity, sum = 0;
        for (let s = 0; s < seen; s++) {
          weights[s] = headDot([qkv, n * width + h * D], [keys, s * G * D + head], D) / Math.sqrt(D);
          largest = Math.max(largest, weights[s]!);
        }
        for (let s = 0; s < seen; s++) {
          weights[s] = Math.exp(weights[s]! - largest);
          sum += weights[s]!;
        }
        for (let d = 0; d < D; d++) {
          let value = 0;
          for (let s = 0; s < seen; s++) value += weights[s]! * values[s * G * D + head + d]!;
          y[(n * H + h) * D + d] = value / sum;
        }
      }
    }
  },
  wasm: {
    source: wasmSource,
    entry: "attention_cached",
    args: ({ H, G, D, P }) => [H, G, D, P],
    items: ({ N, H }) => N * H,
    scratchWords: ({ P }) => P + 4,
  },
});
