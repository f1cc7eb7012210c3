/**
 * How a step compares two halves of its batch: its micro-batches, and after which of them the gradient arena holds what.
 *
 * Pure. A is the first half, B the second.
 * @module
 */
import type { Comparison } from "./step_metrics.ts";
import { microBatches, predictedTokens } from "./windows.ts";

export interface Comparing {
  readonly microBatches: readonly (readonly Uint32Array[])[];
  /** After so many micro-batches the arena holds A. */
  readonly keepAfter: number | null;
  /** After so many it holds B, added to A if `comparison` says so. */
  readonly compareAfter: number | null;
  /** Null if this step only keeps A, for the next one. */
  readonly comparison: Comparison | null;
}

/** An ordinary step, of micro-batches of at most B windows. */
export function withoutComparison(windows: readonly Uint32Array[], B: number): Comparing {
  return { microBatches: microBatches(windows, B), keepAfter: null, compareAfter: null, comparison: null };
}

/**
 * Compares the first micro-batches with as many that follow; of an odd count the last is in neither half. A batch that
 * would be one micro-batch is cut into two, which cost as much as two: what they lack has ignored targets. A single
 * window has no halves: it is A, or if the step before kept its own, B.
 */
export function compareHalves(
  windows: readonly Uint32Array[],
  { B, isKept }: { readonly B: number; readonly isKept: boolean },
): Comparing {
  if (windows.length < 2) {
    const alone = withoutComparison(windows, B);
    return isKept ? { ...alone, compareAfter: 1, comparison: ONE_AND_ONE } : { ...alone, keepAfter: 1 };
  }
  const cut = microBatches(windows, Math.min(B, Math.ceil(windows.length / 2))), each = Math.floor(cut.length / 2);
  const halves = [cut.slice(0, each).flat(), cut.slice(each, 2 * each).flat()] as const, all = tokensOf(windows);
  return {
    microBatches: cut,
    keepAfter: each,
    compareAfter: 2 * each,
    comparison: {
      sequences: [halves[0].length, halves[1].length],
      // Gradients are sums, divided by the tokens of the whole batch.
      scales: [all / tokensOf(halves[0]), all / tokensOf(halves[1])],
      isOfSum: true,
    },
  };
}

/** Of two steps, one after the other. */
const ONE_AND_ONE: Comparison = { sequences: [1, 1], scales: [1, 1], isOfSum: false };

function tokensOf(windows: readonly Uint32Array[]): number {
  return windows.reduce((sum, window) => sum + predictedTokens(window), 0);
}
