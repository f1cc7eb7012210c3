/**
 * The tokens at a position of a run.
 * @module
 */
import type { TokenSource } from "./corpus.ts";
import { windowAt } from "./order.ts";

/** Reads the contextLength + 1 tokens of the window at a position, by the order of the run's seed. */
export function orderedWindow(
  source: TokenSource,
  position: number,
  { seed, contextLength, into: window = new Uint32Array(contextLength + 1) }: {
    readonly seed: number;
    readonly contextLength: number;
    /** Where to, instead of memory of its own. */
    readonly into?: Uint32Array<ArrayBuffer>;
  },
): Uint32Array<ArrayBuffer> {
  source.read(windowAt(position, { seed, windowCount: source.windowCount }), window);
  return window;
}
