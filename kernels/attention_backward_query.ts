/**
 * Attention's backward pass to the queries. With p = exp(q·k / √D − lse), dp = dy·v and ds = p·(dp − dot),
 * dq = Σ ds·k / √D over the keys that a position sees.
 *
 * It overwrites the q part of every row of `dqkv` and leaves the k and v parts alone: they belong to
 * `attention_backward_key_value`. Two kernels, because each of them can own what it sums, so that no atomics are
 * needed and the order of sums is fixed. Shapes as in `attention.ts`, `dot` from `attention_backward_dot.ts`.
 * @module
 */
import type { AttentionShape } from "./attention.ts";
import { defineKernel, reads, writes } from "./kernel.ts";
import { headDot, headOffsets, packedWidth, panels } from "./packed_heads.ts";
import source from "./attention_backward_query.wgsl" with { type: "text" };
import wasmSource from "./attention_backward_query.as" with { type: "text" };

/** Query rows of one workgroup. */
const ROWS = 32;

export const attentionBackwardQuery = defineKernel<AttentionShape>()({
  name: "attention_backward_query",
  source,
  bindings: {
    qkv: reads<AttentionShape>((shape) => shape.B * shape.T * packedWidth(shape)),
    dy: reads<AttentionShape>(({ B, T, H, D }) => B * T * H * D),
    lse: reads<AttentionShape>(({ B, T, H }) => B * H * T),
    dot: reads<AttentionShape>(({ B, T, H }) => B * H * T),
    dqkv: writes<AttentionShape>((shape) => shape.B * shape.T * packedWidth(shape)),
  },
  grid: ({ B, T, H }) => [Math.ceil(T / ROWS), H, B],
  flops: ({ B, T, H, D }) => 3 * D * B * H * T * (T + 1),
  reference({ qkv, dy, lse, dot, dqkv }, shape) {
    const { B, T, H, D } = shape, width = packedWidth(shape), scale = 1 / Math.sqrt(D);
    const dq = new Float64Array(D);
    for (let b = 0; b < B; b++) {
      for (let h = 0; h < H; h++) {
        const { q, k, v } = headOffsets(shape, h);
        for (let t = 0; t < T; t++) {
          const row = (b * T + t) * width, output = ((b * T + t) * H + h) * D, statistic = (b * H + h) * T + t;
          dq.fill(0);
          for (let s = 0; s <= t; s++) {
            const key = (b * T + s) * width + k, value = (b * T + s) * width + v;
            const p = Math.exp(headDot([qkv, row + q], [qkv, key], D) * scale - lse[statistic]!);
            const ds = p * (headDot([dy, output], [qkv, value], D) - dot[statistic]!);
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
    items: ({ B, H }) => B * H,
    scratchWords: ({ T, D }) => panels(T) * (2 * D + 8) + panels(D) * (T + 4) + 8 * D,
  },
});
