/**
 * First step of attention's backward pass: dot = Σ dy·y over the D values of each head, for every position.
 *
 * It equals Σ p·dp over the keys, the mean that softmax's gradient subtracts, and is so much cheaper from y that the
 * other two steps never sum it. dy and y are (B·T, H·D), dot is (B, H, T).
 * @module
 */
import { defineKernel, reads, spread, writes } from "./kernel.ts";
import { headDot } from "./packed_heads.ts";
import source from "./attention_backward_dot.wgsl" with { type: "text" };
import wasmSource from "./attention_backward_dot.as" with { type: "text" };

export type AttentionBackwardDotShape = {
  /** Sequences. */
  readonly B: number;
  /** Positions of a sequence. */
  readonly T: number;
  /** Query heads. */
  readonly H: number;
  /** Head size. */
  readonly D: number;
};

/** Heads of rows that one workgroup takes. */
const LANES = 64;

export const attentionBackwardDot = defineKernel<AttentionBackwardDotShape>()({
  name: "attention_backward_dot",
  source,
  bindings: {
    dy: reads<AttentionBackwardDotShape>(({ B, T, H, D }) => B * T * H * D),
    y: reads<AttentionBackwardDotShape>(({ B, T, H, D }) => B * T * H * D),
    dot: writes<AttentionBackwardDotShape>(({ B, T, H }) => B * H * T),
  },
  grid: ({ B, T, H }) => spread(Math.ceil(B * T * H / LANES)),
  flops: ({ B, T, H, D }) => 2 * B * T * H * D,
  reference({ dy, y, dot }, { B, T, H, D }) {
    for (let b = 0; b < B; b++) {
      for (let t = 0; t < T; t++) {
        for (let h = 0; h < H; h++) {
          const start = ((b * T + t) * H + h) * D;
          dot[(b * H + h) * T + t] = headDot([dy, start], [y, start], D);
        }
      }
    }
  },
  wasm: {
    source: wasmSource,
    entry: "attention_backward_dot",
    args: ({ T, H, D }) => [T, H, D],
    items: ({ B, T }) => B * T,
  },
});
