/**
 * The windows that every evaluation of a run is on: the same for all peers, few enough to cost little of a round.
 * @module
 */
import type { TokenSource } from "../data/corpus.ts";
import { orderedWindow } from "../data/ordered_window.ts";

/** Predicted tokens of one evaluation, at most. The forward pass alone costs a third of training on as many. */
const EVALUATED_TOKENS = 8192;

/** Draws a fixed subset of the held-out windows by the run's seed. */
export function heldOutWindows(
  heldOut: TokenSource,
  order: { readonly seed: number; readonly contextLength: number },
): Uint32Array[] {
  const count = Math.min(heldOut.windowCount, Math.max(1, Math.floor(EVALUATED_TOKENS / order.contextLength)));
  return Array.from({ length: count }, (_, position) => orderedWindow(heldOut, position, order));
}
