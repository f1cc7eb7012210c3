/**
 * Rules whose results all peers of a simulation share. The state after a record is a pure function of its parent, so a
 * hundred peers that compute it a hundred times find the same: here the first one does it for all.
 *
 * Peers with a planted bug have rules of their own; and the checkers compute every state anew from the chain alone.
 * @module
 */
import type { Rulebook } from "../../p2p/sync/rulebook.ts";
import type { ChainState, Digest } from "../../p2p/sync/types.ts";

export function sharing(rulebook: Rulebook): Rulebook {
  const states = new WeakMap<ChainState, Map<Digest, ChainState>>();
  return {
    ...rulebook,
    advance: (parent, options) => {
      const next = states.get(parent) ?? new Map<Digest, ChainState>();
      states.set(parent, next);
      const state = next.get(options.digest) ?? rulebook.advance(parent, options);
      next.set(options.digest, state);
      return state;
    },
  };
}
