/**
 * Rules whose states ask for another batch than they should, to plant bugs.
 * @module
 */
import { placeOf } from "../../p2p/sync/lineages.ts";
import { RULEBOOK, type Rulebook } from "../../p2p/sync/rulebook.ts";
import type { BatchState, ChainState, Lineage } from "../../p2p/sync/types.ts";

/** Every lineage requests what this gives. */
export function withBatch(request: (before: BatchState, after: BatchState) => number): Partial<Rulebook> {
  return {
    advance: (parent, options) => {
      const batchOf = (id: number) => parent.lineages[placeOf(parent.lineages, id)]!.batch;
      return withEach(RULEBOOK.advance(parent, options), ({ id, batch }) => (
        { ...batch, request: request(batchOf(id), batch) }
      ));
    },
  };
}

/** The same state with another batch of every lineage. */
export function withEach(chain: ChainState, batch: (lineage: Lineage) => BatchState): ChainState {
  return { ...chain, lineages: chain.lineages.map((lineage) => ({ ...lineage, batch: batch(lineage) })) };
}
