/**
 * Attention's backward pass to the queries. With p = exp(q·k / √D − lse), dp = dy·v and ds = p·(dp − dot),
 * dq = Σ ds·k / √D over the keys that a position sees.
 *
 * `dot` = Σ dy·y over the D values of a head. It equals Σ p·dp over the keys, the mean that softmax's gradient subtracts,
 * and is so much cheaper from y that nobody sums the keys. It is written for `attention_backward_key_value`, which runs
 * after this kernel.
 *
 * It overwrites the q part of every row of `dqkv` and leaves the k and v parts alone: they belong to
 * `attention_backward_key_value`. Two kernels, because each of them can own what it sums, so that no atomics are
 * needed and the order of sums is fixed. Shapes as in `attention.ts`; dot is (B, H, T), as lse is.
 * @module
 */
import type { AttentionShape } from "./attention.ts";
import { TILE, withTiles } from "./attention_tiles.ts";
import { defineKernel, reads, readsStored, writes, writesStored } from "./kernel.ts";
import { variantsOf } from "./kernel_text.ts";
import { fours, headDot, headOffsets, ITEM_ROWS, packedWidth } from "./packed_heads.ts";
import ownSource from "./attention_backward_query.wgsl" with { type: "text" };
import wasmSource from "./attention_backward_query.as" with { type: "text" };

const source = withTiles(ownSource);

export const attentionBackwardQuery = defineKernel<AttentionShape>()({
  name: "attention_backward_query",
  source,
  bindings: {
    qkv: readsStored<AttentionShape>((shape) => shape.B * shape.T * packedWidth(shape)),
    dy: readsStored<AttentionShape>(({ B, T, H, D }) => B * T * H * D),
    y: readsStored<AttentionShape>(({ B, T, H, D }) => B * T * H * D),
    lse: reads<AttentionShape>(({ B, T, H }) => B * H * T),
    dot: writes<AttentionShape>(({ B, T, H }) => B * H * T),
    dqkv: writesStored<AttentionShape>((shape) => shape.B * shape.T * packedWidth(shape)),
  },
  grid: ({ B, T, H }) => [Math.ceil(T / TILE), H, B],
  variants: variantsOf(source, { wide: { fits: ({ D }) => D % 4 === 0 } }),
  flops: ({ B, T, H, D }) => D * B * H * T * (3 * (T + 1) + 2),
  moves: ({ H, G }) => ({ dqkv: H / (H + 2 * G) }),
  reference({ qkv, dy, y, lse, dot, dqkv }, shape) {
    const { B, T, H, D } = shape, width = packedWidth(shape), scale = 1 / Math.sqrt(D);
    const dq = new Float64Array(D);
    for (let b = 0; b < B; b++) {
      for (let h = 0; h < H; h++) {
        const { q, k, v } = headOffsets(shape, h);
        for (let t = 0; t < T; t++) {
          const row = (b * T + t) * width, output = ((b * T + t) * H + h) * D, statistic = (b * H + h) * T + t;
          const mean = headDot([dy, output], [y, output], D);
          dot[statistic] = mean;
          dq.fill(0);
          for (let s = 0; s <= t; s++) {
            const key = (b * T + s) * width + k, value = (b * T + s) * width + v;
            const p = Math.exp(headDot([qkv, row + q], [qkv, key], D) * scale - lse[statistic]!);
            const ds = p * (headDot([dy, output], [qkv, value], D) - mean);
            for (let d = 0; d < D; d++) dq[d]! += ds * scale * qkv[key + d]!;
          }
          dqkv.set(dq, row + q);
        }
      }
    }
  },
  wasm: {
    source: wasmSource,
    entry: "attention_backward_query",
    args: ({ B, T, H, G, D }) => [B, T, H, G, D],
    items: ({ B, T, H }) => B * H * Math.ceil(T / ITEM_ROWS),
    scratchWords: ({ T, D }) => fours(T) * (2 * D + 16) + fours(D) * (T + 8) + 16 * D,
  },
});
