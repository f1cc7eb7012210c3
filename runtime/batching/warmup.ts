/**
 * A batch that grows with the tokens trained: small steps early, when gradients agree, large ones later.
 *
 * The heuristic that Lau et al. (arXiv 2412.21124) compare adaptive batches with: a straight ramp from `first` to
 * `last` over `rampTokens`, then constant. Monotone, in whole sequences.
 * @module
 */
import type { BatchPolicy } from "./policy.ts";

export interface WarmupOptions {
  /** Sequences at the start. */
  readonly first: number;
  /** Sequences after the ramp; not less than `first`. */
  readonly last: number;
  readonly rampTokens: number;
}

export function warmupBatch({ first, last, rampTokens }: WarmupOptions): BatchPolicy {
  return {
    name: "warmup",
    request({ tokens }) {
      if (tokens >= rampTokens) return last;
      return first + Math.floor((last - first) * tokens / rampTokens);
    },
  };
}
