/**
 * The plain weighted mean: A = Σ wᵢ·Δᵢ / Σ wᵢ. **Unsafe**: one hostile peer alone can move the weights anywhere. It is
 * here to be compared with, and for runs among machines of one owner.
 *
 * One pass, no memory.
 * @module
 */
import { type FoldRule, sharesOf } from "./rule.ts";

export const mean: FoldRule = {
  name: "mean",
  needsGram: false,
  begin: (pulls) => ({ kind: "sum", shares: sharesOf(pulls) }),
};
