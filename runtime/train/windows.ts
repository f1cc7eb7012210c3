/**
 * Windows of tokens to the words that a micro-batch uploads: ids, targets, and the tokens in the order of their ids, with
 * the ends of its segments, for the gradient of the token embedding. Each starts at a multiple of 64 words.
 *
 * A window of n + 1 tokens predicts n. What a micro-batch lacks, whole sequences or the ends of short ones, has ignored
 * targets: it costs time and adds nothing to loss or gradient.
 * @module
 */
import { IGNORED_TARGET } from "../../kernels/cross_entropy.ts";
import { type SegmentRoom, segmentTokens } from "../../kernels/embedding_backward.ts";
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

/** Packs one micro-batch. @throws {RangeError} as `WindowPacker`. */
export function packWindows(windows: readonly Uint32Array[], shape: WindowShape): Uint32Array<ArrayBuffer> {
  return new WindowPacker(shape).pack(windows);
}

/** Packs micro-batches of one shape, all in the same memory: what it gives holds until it packs the next. */
export class WindowPacker {
  readonly #shape: WindowShape;
  readonly #words: Uint32Array<ArrayBuffer>;
  readonly #ids: Uint32Array;
  readonly #targets: Uint32Array;
  readonly #room: SegmentRoom;

  constructor(shape: WindowShape) {
    const { B, T, V } = shape, N = B * T, each = alignedWords(N), words = new Uint32Array(4 * each);
    const [ids, targets, order, stops] = [0, 1, 2, 3].map((i) => words.subarray(i * each, i * each + N));
    this.#shape = shape;
    this.#words = words;
    this.#ids = ids!;
    this.#targets = targets!;
    this.#room = { order: order!, stops: stops!, ends: new Uint32Array(V + 1) };
  }

  /**
   * Packs at most B windows of 2 to T + 1 tokens.
   * @throws {RangeError} that names the window and what is wrong with it.
   */
  pack(windows: readonly Uint32Array[]): Uint32Array<ArrayBuffer> {
    expectWindows(windows, this.#shape);
    const { T } = this.#shape, ids = this.#ids.fill(0), targets = this.#targets.fill(IGNORED_TARGET);
    for (const [b, window] of windows.entries()) {
      ids.set(window.subarray(0, -1), b * T);
      targets.set(window.subarray(1), b * T);
    }
    segmentTokens(ids, this.#room);
    return this.#words;
  }
}

/** @throws {RangeError} that names the window that cannot be packed, and what is wrong with it. */
export function expectWindows(windows: readonly Uint32Array[], { T, V }: Pick<WindowShape, "T" | "V">): void {
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
  }
}

/** Cuts a batch into micro-batches of at most B windows. */
export function microBatches(windows: readonly Uint32Array[], B: number): (readonly Uint32Array[])[] {
  return Array.from({ length: Math.ceil(windows.length / B) }, (_, i) => windows.slice(i * B, (i + 1) * B));
}
