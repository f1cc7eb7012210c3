/**
 * Turns a peer's local batch into micro-batches.
 *
 * Pure arithmetic on whole sequences. What each peer's local batch is, the protocol decides (`p2p/sync/balance.ts`); how
 * many sequences a device should hold at once, `throughput.ts` finds out.
 * @module
 */

/** How a local batch is executed: `accumulation` micro-batches of `microBatch` sequences in one inner step. */
export interface BatchSplit {
  readonly microBatch: number;
  readonly accumulation: number;
}

/** When micro-batches are accumulated: whenever it takes several, or from more than twice what fits on (AdLoCo's). */
export type SwitchMode = "accumulate" | "threshold";

/** Batches that AdLoCo's switch lets a device fall short of, in what fits at once. */
const THRESHOLD = 2;

/**
 * Splits a local batch by what a device holds at once. The executed batch is never less than asked for and exceeds it
 * by at most accumulation − 1.
 *
 * With "threshold" it is the published switch mode of AdLoCo (arXiv 2508.18182): as much as fits at once, in one go, for
 * any batch up to twice of that, and then as many full micro-batches as hold it.
 */
export function splitBatch(batch: number, largestMicroBatch: number, mode: SwitchMode = "accumulate"): BatchSplit {
  if (mode === "threshold" && batch > largestMicroBatch) {
    const accumulation = batch > THRESHOLD * largestMicroBatch ? Math.ceil(batch / largestMicroBatch) : 1;
    return { microBatch: largestMicroBatch, accumulation };
  }
  const accumulation = Math.ceil(batch / largestMicroBatch);
  return { microBatch: Math.ceil(batch / accumulation), accumulation };
}
