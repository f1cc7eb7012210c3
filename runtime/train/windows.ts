/**
 * Windows of tokens to the words that a micro-batch uploads: ids, targets, and the tokens in the order of their ids, with
 * the ends of its segments, for the gradient of the token embedding. Each starts at a multiple of 64 words.
 *
 * A window of n + 1 tokens predicts n. What a micro-batch lacks, whole sequences or the ends of short ones, has ignored
 * targets: it costs time and adds nothing to loss or gradient.
 * @module
 */
import { IGNORED_TARGET } from "../../kernels/cross_entropy.ts";
import { segmentTokens } from "../../kernels/embedding_backward.ts";
import { alignedWords } from "../graph/plan.ts";

export interface WindowShape {
  /** Sequences of a micro-batch. */
  readonly B: number;
  /** Positions of a sequence. */
  readonly T: number;
  /** Token ids are below this. */
  readonly V: number;
}

/** Tokens that a window predicts. */
export function predictedTokens(window: Uint32Array): number {
  return window.length - 1;
}

/**
 * Packs at most B windows of 2 to T + 1 tokens.
 * @throws {RangeError} that names the window and what is wrong with it.
 */
export function packWindows(windows: readonly Uint32Array[], { B, T, V }: WindowShape): Uint32Array<ArrayBuffer> {
  const N = B * T, targetStart = alignedWords(N);
  const words = new Uint32Array(4 * targetStart).fill(IGNORED_TARGET, targetStart, 2 * targetStart);
  for (const [b, window] of windows.entries()) {
    if (window.length < 2 || window.length > T + 1) {
      throw new RangeError(`Cannot use window ${b}: it has ${window.length} tokens, 2 to ${T + 1} are possible`);
    }
    const stranger = window.findIndex((id) => id >= V);
    if (stranger !== -1) {
      throw new RangeError(
        `Cannot use window ${b}: token ${stranger} is ${window[stranger]} and the model knows 0 to ${V - 1}; ` +
          "the text was encoded with another tokenizer",
      );
    }
    words.set(window.subarray(0, -1), b * T);
    words.set(window.subarray(1), targetStart + b * T);
  }
  const { order, stops } = segmentTokens(words.subarray(0, N));
  words.set(order, 2 * targetStart);
  words.set(stops, 3 * targetStart);
  return words;
}

/** Cuts a batch into micro-batches of at most B windows. */
export function microBatches(windows: readonly Uint32Array[], B: number): (readonly Uint32Array[])[] {
  return Array.from({ length: Math.ceil(windows.length / B) }, (_, i) => windows.slice(i * B, (i + 1) * B));
}
