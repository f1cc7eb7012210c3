/**
 * What AdLoCo's stages change of one peer's inner steps: how a batch is split, and whether moments begin anew.
 * @module
 */
import type { TrainedLineage } from "../../p2p/learner.ts";
import type { BatchingConfig } from "../config.ts";
import type { SwitchMode } from "../batching/split_batch.ts";

/** The run's switch, thrown once a single lineage is left; micro-batches are accumulated until then. */
export function switchModeOf(batching: BatchingConfig, { from }: Pick<TrainedLineage, "from">): SwitchMode {
  return batching.policy === "adloco" && from.length === batching.lineages ? batching.switch : "accumulate";
}

/** Whether the inner optimizer is a new one each round, as in the authors' code; DiLoCo keeps it. */
export function renewsMoments(batching: BatchingConfig): boolean {
  return batching.policy === "adloco" && batching.variant === "published";
}
