/**
 * Causal self-attention over packed rows, forward: for every sequence b, head h and position t,
 * y = Σ p[s]·v[s] over s ≤ t with p = softmax(q·k[s] / √D).
 *
 * Grouped-query attention is a matter of indices (`packed_heads.ts`). `lse`, the logarithm of the softmax's
 * denominator, is all that the backward kernels need to make the probabilities again: they are never stored.
 *
 * qkv is (B·T, (H + 2G)·D), y is (B·T, H·D), lse is (B, H, T). The GPU's way is FlashAttention-2: Dao 2023,
 * arXiv 2307.08691, algorithm 1.
 * @module
 */
import { TILE, withTiles } from "./attention_tiles.ts";
import { defineKernel, readsStored, writes, writesStored } from "./kernel.ts";
import { variantsOf } from "./kernel_text.ts";
import { fours, headDot, headOffsets, type Heads, ITEM_ROWS, packedWidth } from "./packed_heads.ts";
import ownSource from "./attention.wgsl" with { type: "text" };
import wasmSource from "./attention.as" with { type: "text" };

export type AttentionShape = Heads & {
  /** Sequences. */
  readonly B: number;
  /** Positions of a sequence. */
  readonly T: number;
};

const source = withTiles(ownSource);

export const attention = defineKernel<AttentionShape>()({
  name: "attention",
  source,
  bindings: {
    qkv: readsStored<AttentionShape>((shape) => shape.B * shape.T * packedWidth(shape)),
    y: writesStored<AttentionShape>(({ B, T, H, D }) => B * T * H * D),
    lse: writes<AttentionShape>(({ B, T, H }) => B * H * T),
  },
  grid: ({ B, T, H }) => [Math.ceil(T / TILE), H, B],
  variants: variantsOf(source, { wide: { fits: ({ D }) => D % 4 === 0 } }),
  flops: ({ B, T, H, D }) => 2 * D * B * H * T * (T + 1),
  reference({ qkv, y, lse }, shape) {
    const { B, T, H, D } = shape, width = packedWidth(shape);
    const weights = new Float64Array(T);
    for (let b = 0; b < B; b++) {
      for (let h = 0; h < H; h++) {
        const { q, k, v } = headOffsets(shape, h);
        for (let t = 0; t < T; t++) {
          const row = (b * T + t) * width;
          let largest = -Infinity, sum = 0;
          for (let s = 0; s <= t; s++) {
            weights[s] = headDot([qkv, row + q], [qkv, (b * T + s) * width + k], D) / Math.sqrt(D);
            largest = Math.max(largest, weights[s]!);
          }
          for (let s = 0; s <= t; s++) {
            weights[s] = Math.exp(weights[s]! - largest);
            sum += weights[s]!;
          }
          for (let d = 0; d < D; d++) {
            let value = 0;
            for (let s = 0; s <= t; s++) value += weights[s]! * qkv[(b * T + s) * width + v + d]!;
            y[((b * T + t) * H + h) * D + d] = value / sum;
          }
          lse[(b * H + h) * T + t] = largest + Math.log(sum);
        }
      }
    }
  },
  wasm: {
    source: wasmSource,
    entry: "attention",
    args: ({ B, T, H, G, D }) => [B, T, H, G, D],
    items: ({ B, T, H }) => B * H * Math.ceil(T / ITEM_ROWS),
    scratchWords: ({ T, D }) => fours(T) * (D + 8) + fours(D) * (T + 8) + 8 * D + 16,
  },
});
