/**
 * Contributions of a fold in the forms that rules and screen ask for, by the calling thread alone.
 * @module
 */
import { alone, gramBy } from "../runtime/state/fold_crew.ts";
import { type Gram, stretchStarts } from "../runtime/state/robust/gram.ts";
import type { Pull } from "../runtime/state/robust/rule.ts";
import { screenOf, type SeenCosines } from "../runtime/state/robust/screen.ts";

/** Their inner products, over all values or some stretches. */
export function gramOf(pulls: readonly Pull[], starts?: readonly number[]): Gram {
  const vectors = pulls.map(({ vector }) => vector), length = vectors[0]?.length ?? 0;
  const parts = { bytes: [], vectors, length };
  return gramBy(alone, { parts, of: [...pulls.keys()], starts: starts ?? stretchStarts(length) });
}

/** What the screen sees of them. */
export function screenOfPulls(pulls: readonly Pull[]): SeenCosines | null {
  const norms = pulls.map(({ norm }) => norm), length = pulls[0]?.vector.length ?? 0;
  return screenOf({ norms, length, gramOver: (starts) => gramOf(pulls, starts) });
}
