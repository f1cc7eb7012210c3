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
  { seed, contextLength }: { readonly seed: number; readonly contextLength: number },
): Uint32Array<ArrayBuffer> {
  const window = new Uint32Array(contextLength + 1);
  source.read(windowAt(position, { seed, windowCount: source.windowCount }), window);
  return window;
}
