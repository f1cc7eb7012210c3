/**
 * Who writes the record of a round, and when the next in rank takes over from a scribe that is late.
 *
 * The ranking is a fact of the chain; who is present is what one peer sees. Two peers that see differently may both
 * write: a shallow fork, settled by `fork.ts`.
 * @module
 */
import { digestOf } from "./digest.ts";
import type { ChainState, PeerId } from "./types.ts";

/** Share of a round that each peer in rank waits for the one before it, within bounds. */
const TAKEOVER_SHARE = 0.25;
const LEAST_TAKEOVER_MS = 500;
const LONGEST_TAKEOVER_MS = 30_000;
/** Longest round in boxes, and some time for very short ones. */
const LONGEST_ROUND_BOXES = 2;
const LONGEST_ROUND_EXTRA_MS = 2_000;

const rankings = new WeakMap<ChainState, readonly PeerId[]>();

/** The members in the order in which they may write the record after this state; computed once for each object. */
export function ranking(chain: ChainState): readonly PeerId[] {
  let ranked = rankings.get(chain);
  if (ranked === undefined) {
    rankings.set(chain, ranked = rankedBy(chain.roster, { parent: chain.head }));
  }
  return ranked;
}

/** These peers in an order that is drawn anew for each `key`, alike at every peer. */
export function rankedBy(
  peers: readonly { readonly peer: PeerId }[],
  key: Readonly<Record<string, unknown>>,
): readonly PeerId[] {
  return peers.map(({ peer }) => ({ peer, hash: digestOf({ ...key, peer }) }))
    .sort((a, b) => a.hash < b.hash ? -1 : 1).map(({ peer }) => peer);
}

/** Place in the ranking. Peers that are no members share the place after all members. */
export function attemptOf(chain: ChainState, peer: PeerId): number {
  const place = ranking(chain).indexOf(peer);
  return place === -1 ? chain.roster.length : place;
}

/** How long each present peer earlier in rank is given, once the round could have been closed. */
export function takeoverMs(roundMs: number): number {
  return Math.min(LONGEST_TAKEOVER_MS, Math.max(LEAST_TAKEOVER_MS, TAKEOVER_SHARE * roundMs));
}

/** Longest that a round may take from its opening, and that anything in it is waited for (law 4). */
export function longestMs(roundMs: number): number {
  return LONGEST_ROUND_BOXES * roundMs + LONGEST_ROUND_EXTRA_MS;
}
