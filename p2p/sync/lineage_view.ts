/**
 * What people are told of a lineage.
 * @module
 */
import { type BatchView, viewBatch } from "./batch/request.ts";
import type { ChainState, PeerId, SyncRules } from "./types.ts";

export interface LineageView {
  readonly id: number;
  /** Those of the beginning that are in it. */
  readonly from: readonly number[];
  /** Who trains it, alone or in turn with others. */
  readonly members: readonly PeerId[];
  /** Its global batch, and why it is as large as it is. */
  readonly batch: BatchView;
}

export function viewLineages({ lineages, roster, tokens }: ChainState, rules: SyncRules): readonly LineageView[] {
  return lineages.map(({ id, from, batch }) => ({
    id,
    from,
    members: roster.filter(({ hosts }) => hosts.includes(id)).map(({ peer }) => peer),
    batch: viewBatch(batch, tokens, rules),
  }));
}
