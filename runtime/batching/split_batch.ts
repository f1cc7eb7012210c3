/**
 * Turns a peer's local batch into micro-batches.
 *
 * Pure arithmetic on whole sequences. What each peer's local batch is, the protocol decides (`p2p/sync/balance.ts`); how
 * many sequences a device should hold at once, `throughput.ts` finds out.
 * @module
 */

/** How an inner step is executed: `batch` sequences in `accumulation` micro-batches of at most `microBatch`. */
export interface BatchSplit {
  /** What rows of the micro-batches are left over are computed and ignored. */
  readonly batch: number;
  readonly microBatch: number;
  readonly accumulation: number;
}

/** When micro-batches are accumulated: whenever it takes several, or from more than twice what fits on (AdLoCo's). */
export type SwitchMode = "accumulate" | "threshold";

/** Batches that AdLoCo's switch lets a device fall short of, in what fits at once. */
const THRESHOLD = 2;

/**
 * Splits a local batch by what a device holds at once. What is executed is what was asked for: noise, learning rate and
 * every peer's share go by it. At most accumulation − 1 rows are left over.
 *
 * With "threshold" it is the published switch mode of AdLoCo (arXiv 2508.18182): as much as fits at once, in one go, for
 * any batch up to twice of that, and then as many full micro-batches as hold it.
 */
export function splitBatch(batch: number, largestMicroBatch: number, mode: SwitchMode = "accumulate"): BatchSplit {
  const accumulation = Math.ceil(batch / largestMicroBatch);
  if (mode === "threshold" && accumulation > 1) {
    const full = batch > THRESHOLD * largestMicroBatch ? accumulation : 1;
    return { batch: full * largestMicroBatch, microBatch: largestMicroBatch, accumulation: full };
  }
  return { batch, microBatch: Math.ceil(batch / accumulation), accumulation };
}

/** Rows left over, as a share of the batch, for which another micro-batch is not worth opening a trainer. */
const MOST_LEFT_OVER = 1 / 3;

/** The same batch in micro-batches of a trainer that is open; null if too much of it would be rows left over. */
export function splitOver(microBatch: number, { batch, accumulation: wanted }: BatchSplit): BatchSplit | null {
  const accumulation = Math.ceil(batch / microBatch), leftOver = microBatch * accumulation - batch;
  return leftOver <= MOST_LEFT_OVER * batch && accumulation < 2 * wanted ? { batch, microBatch, accumulation } : null;
}
