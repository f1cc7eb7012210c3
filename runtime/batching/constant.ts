/**
 * The same batch for ever: the baseline.
 * @module
 */
import type { BatchPolicy } from "./policy.ts";

/** @param batch Sequences. */
export function constantBatch(batch: number): BatchPolicy {
  return { name: "constant", request: () => batch };
}
