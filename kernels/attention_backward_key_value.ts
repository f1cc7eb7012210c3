/**
 * Attention's backward pass to the keys and values. With p and ds as in `attention_backward_query.ts`,
 * dv = Σ p·dy and dk = Σ ds·q / √D, over the positions that see a key and over the query heads that share it.
 *
 * It overwrites the k and v parts of every row of `dqkv` and leaves the q part alone. Shapes as in `attention.ts`,
 * `dot` from `attention_backward_query.ts`. In WebAssembly one thread does a whole head, so there both can be done at once.
 * @module
 */
import type { AttentionShape } from "./attention.ts";
import { attentionBackwardQuery } from "./attention_backward_query.ts";
import { TILE, withTiles } from "./attention_tiles.ts";
import { defineKernel, reads, readsStored, writesStored } from "./kernel.ts";
import { variantsOf } from "./kernel_text.ts";
import { fours, headDot, headOffsets, ITEM_ROWS, packedWidth } from "./packed_heads.ts";
import ownSource from "./attention_backward_key_value.wgsl" with { type: "text" };
import wasmSource from "./attention_backward_key_value.as" with { type: "text" };

const source = withTiles(ownSource);

/** Of the WebAssembly form: queries and dy packed in two ways, sums of dk and dv, and two strips. */
function scratchWords({ T, D }: AttentionShape): number {
  return fours(T) * (2 * D + 16) + fours(D) * (2 * T + 16 * Math.ceil(T / 8)) + 16 * D;
}

export const attentionBackwardKeyValue = defineKernel<AttentionShape>()({
  name: "attention_backward_key_value",
  source,
  bindings: {
    qkv: readsStored<AttentionShape>((shape) => shape.B * shape.T * packedWidth(shape)),
    dy: readsStored<AttentionShape>(({ B, T, H, D }) => B * T * H * D),
    lse: reads<AttentionShape>(({ B, T, H }) => B * H * T),
    dot: reads<AttentionShape>(({ B, T, H }) => B * H * T),
    dqkv: writesStored<AttentionShape>((shape) => shape.B * shape.T * packedWidth(shape)),
  },
  grid: ({ B, T, G }) => [Math.ceil(T / TILE), G, B],
  variants: variantsOf(source, { wide: { fits: ({ D }) => D % 4 === 0 } }),
  flops: ({ B, T, H, D }) => 4 * D * B * H * T * (T + 1),
  moves: ({ H, G }) => ({ dqkv: 2 * G / (H + 2 * G) }),
  reference({ qkv, dy, lse, dot, dqkv }, shape) {
    const { B, T, H, G, D } = shape, width = packedWidth(shape), scale = 1 / Math.sqrt(D), sharing = H / G;
    const dk = new Float64Array(D), dv = new Float64Array(D);
    for (let b = 0; b < B; b++) {
      for (let g = 0; g < G; g++) {
        const { k, v } = headOffsets(shape, g * sharing);
        for (let s = 0; s < T; s++) {
          const key = (b * T + s) * width + k, value = (b * T + s) * width + v;
          dk.fill(0);
          dv.fill(0);
          for (let h = g * sharing; h < (g + 1) * sharing; h++) {
            for (let t = s; t < T; t++) {
              const query = (b * T + t) * width + h * D, output = ((b * T + t) * H + h) * D;
              const statistic = (b * H + h) * T + t;
              const p = Math.exp(headDot([qkv, query], [qkv, key], D) * scale - lse[statistic]!);
              const ds = p * (headDot([dy, output], [qkv, value], D) - dot[statistic]!);
              for (let d = 0; d < D; d++) {
                dv[d]! += p * dy[output + d]!;
                dk[d]! += ds * scale * qkv[query + d]!;
              }
            }
          }
          dqkv.set(dk, key);
          dqkv.set(dv, value);
        }
      }
    }
  },
  wasm: {
    source: wasmSource,
    entry: "attention_backward_key_value",
    args: ({ B, T, H, G, D }) => [B, T, H, G, D],
    items: ({ B, T, G }) => B * G * Math.ceil(T / ITEM_ROWS),
    scratchWords,
    joint: {
      after: attentionBackwardQuery.name,
      entry: "attention_backward",
      items: ({ B, G }) => B * G,
      // More strips, the keys, dq, and a panel of it.
      scratchWords(shape) {
        const { T, D } = shape;
        return scratchWords(shape) + fours(T) * (ITEM_ROWS - 8) + (T + fours(T)) * Math.ceil(D / 8) * 8 + 4 * ITEM_ROWS;
      },
    },
  },
});
