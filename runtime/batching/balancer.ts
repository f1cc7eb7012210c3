/**
 * The balancer: turns a global batch into each peer's local batch, and a local batch into micro-batches.
 *
 * Pure arithmetic on whole sequences. It does not measure anything (`throughput.ts`) nor ask how large a batch should
 * be (`policy.ts`).
 * @module
 */

/**
 * Local batches in proportion to `speeds`, in their order. Each is at least 1; together they are the global batch,
 * unless there are more peers than sequences. What rounding leaves goes to the largest remainders, the first of equals.
 */
export function shareBatch(batch: number, speeds: readonly number[]): number[] {
  if (batch <= speeds.length) return speeds.map(() => 1);
  const total = speeds.reduce((sum, speed) => sum + speed, 0);
  const exact = speeds.map((speed) => total > 0 ? batch * speed / total : batch / speeds.length);
  const shares = exact.map((share) => Math.max(1, Math.floor(share)));
  let left = batch - shares.reduce((sum, share) => sum + share, 0);
  while (left !== 0) {
    const step = Math.sign(left);
    const i = mostWanting(
      exact.map((share, i) => step < 0 && shares[i] === 1 ? -Infinity : step * (share - shares[i]!)),
    );
    shares[i]! += step;
    left -= step;
  }
  return shares;
}

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

function mostWanting(needs: readonly number[]): number {
  return needs.indexOf(Math.max(...needs));
}
