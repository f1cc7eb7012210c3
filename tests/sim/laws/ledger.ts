/**
 * Law 10, and law 3 for the part of a state that is no weights: both follow from the records alone, computed anew here.
 * @module
 */
import { isDeepStrictEqual } from "node:util";
import { partOf } from "../../../p2p/sync/cells.ts";
import { advance, genesisState } from "../../../p2p/sync/chain.ts";
import { inOrder, type Side, unite } from "../../../p2p/sync/merge.ts";
import { account } from "../../../p2p/sync/ledger.ts";
import type { ChainState, Digest, Offer } from "../../../p2p/sync/types.ts";
import { ancestorsIn } from "./history.ts";
import type { Case } from "./laws.ts";

/** Every window below the cursor is trained, leased or returned, once; what was trained twice is counted as such. */
export function ledgerFollows({ head, history, observer }: Case): readonly string[] {
  const counted = new Map<Digest, Offer>(); // an offer on both sides of a merge counts once
  for (const { record } of history) {
    for (const { offer } of record.counted) {
      const body = observer.offers.get(offer);
      if (body !== undefined) counted.set(offer, body);
    }
  }
  const faults = account(head.ledger, [...counted.values()].map(({ ranges }) => ranges));
  return faults.map((fault) => `law 10: ${fault}`);
}

/** The state on which a run ended is the one to which its records lead. */
export function stateFollows({ head, history, weather: { rules } }: Case): readonly string[] {
  const genesis = genesisState(rules), ancestors = ancestorsIn(history);
  const states = new Map<Digest, ChainState>([[genesis.head, genesis]]);
  const sideOf = (chain: ChainState, other: ChainState): Side => {
    const leads = (digest: Digest, to: ChainState) => digest === to.head || ancestors.get(to.head)!.has(digest);
    const own = history.filter(({ digest }) => leads(digest, chain) && !leads(digest, other))
      .map((chapter) => ({ ...chapter, usual: states.get(chapter.record.parents[0]!)?.usual ?? 0 }));
    const before = history.filter(({ digest }) => leads(digest, chain) && leads(digest, other));
    return { chain, own, shared: new Set(before.flatMap(({ record }) => record.counted.map(({ offer }) => offer))) };
  };
  for (const { digest, record, offers } of history) {
    if (digest === genesis.head) continue;
    const [before, other] = record.parents.map((parent) => states.get(parent));
    const parent = before && other === undefined ? partOf(before, record.cell, rules) : before;
    if (parent === undefined) {
      return [`law 10: record ${record.round} follows nothing that leads back to the beginning`];
    }
    const state = other === undefined
      ? advance(parent, { record, digest, offers, rules })
      : unite(inOrder(sideOf(parent, other), sideOf(other, parent)), { record, digest, rules });
    states.set(digest, state);
  }
  const whole = states.get(head.head), computed = whole && partOf(whole, head.cell, rules);
  if (computed === undefined) return [`law 10: nobody wrote down record ${head.round}, on which all ended`];
  return isDeepStrictEqual(computed, head)
    ? []
    : [`law 10: the records do not lead to the state of round ${head.round}`];
}
