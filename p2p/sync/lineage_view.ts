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

export function viewLineages(chain: ChainState, rules: SyncRules): readonly LineageView[] {
  return chain.lineages.map((lineage) => ({
    id: lineage.id,
    from: lineage.from,
    members: chain.roster.filter(({ hosts }) => hosts.includes(lineage.id)).map(({ peer }) => peer),
    batch: viewBatch(chain, lineage, rules),
  }));
}
