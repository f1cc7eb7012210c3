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

/**
 * Splits a local batch by what a device holds at once. The executed batch is never less than asked for and exceeds it
 * by at most accumulation − 1.
 */
export function splitBatch(batch: number, largestMicroBatch: number): BatchSplit {
  const accumulation = Math.ceil(batch / largestMicroBatch);
  return { microBatch: Math.ceil(batch / accumulation), accumulation };
}
