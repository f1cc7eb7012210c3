/**
 * Batch policies: how large the run's global batch should be in the next round.
 *
 * A policy is pure (what the counted offers say in, a request out), because every peer computes the request for itself
 * and all must agree. It knows no devices, speeds or memory: `balancer.ts` turns a request into each peer's work.
 * @module
 */

/** What a round's counted offers say. Quantities in sequences unless they say tokens. */
export interface BatchStatistics {
  /** Tokens counted in the whole history. */
  readonly tokens: number;
}

export interface BatchPolicy {
  readonly name: string;
  /** Global batch of one inner step of the next round: a whole number, at least 1. */
  request(statistics: BatchStatistics): number;
}
