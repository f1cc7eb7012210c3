/**
 * What a trainer computes again, in words.
 * @module
 */
import type { RecomputeLevel } from "../graph/recompute.ts";

export type { RecomputeLevel } from "../graph/recompute.ts";

/** What a level computes again, for people. */
export function recomputedParts(level: RecomputeLevel): string {
  return (["nothing", "the outputs of norms and activation functions", "all that is inside layers"] as const)[level];
}
