/**
 * A batch in micro-batches of which the first ones can be compared with as many that follow.
 * @module
 */
import { microBatches, predictedTokens } from "./windows.ts";

export interface HalvedBatch {
  readonly microBatches: readonly (readonly Uint32Array[])[];
  /** Micro-batches of each half; of an odd count the last is in neither. */
  readonly each: number;
  /** Of each half. */
  readonly sequences: readonly [number, number];
  /** Predicted tokens of each half. */
  readonly tokens: readonly [number, number];
}

/**
 * Cuts a batch into micro-batches of at most B windows, but at least two of them. Null if it is a single window.
 *
 * Two micro-batches in place of one cost as much as two: what they lack has ignored targets.
 */
export function halve(windows: readonly Uint32Array[], B: number): HalvedBatch | null {
  if (windows.length < 2) return null;
  const cut = microBatches(windows, Math.min(B, Math.ceil(windows.length / 2))), each = Math.floor(cut.length / 2);
  const parts = [cut.slice(0, each).flat(), cut.slice(each, 2 * each).flat()] as const;
  return {
    microBatches: cut,
    each,
    sequences: [parts[0].length, parts[1].length],
    tokens: [tokensOf(parts[0]), tokensOf(parts[1])],
  };
}

function tokensOf(windows: readonly Uint32Array[]): number {
  return windows.reduce((sum, window) => sum + predictedTokens(window), 0);
}
