/**
 * Rules whose results all peers of a simulation share. Whether a record may follow its parent, and the state after it,
 * are pure functions of both, so a hundred peers that compute them a hundred times find the same: here the first one
 * does it for all.
 *
 * Peers with a planted bug have rules of their own; and the checkers compute every state anew from the chain alone.
 * @module
 */
import type { Rulebook } from "../../p2p/sync/rulebook.ts";
import type { ChainState, Digest, RoundRecord } from "../../p2p/sync/types.ts";

export function sharing(rulebook: Rulebook): Rulebook {
  const states = new WeakMap<ChainState, Map<Digest, ChainState>>();
  const faults = new WeakMap<ChainState, Map<RoundRecord, string | null>>();
  return {
    ...rulebook,
    advance: (parent, options) => once(among(states, parent), options.digest, () => rulebook.advance(parent, options)),
    whyInvalid: (record, offers, context) =>
      once(among(faults, context.parent), record, () => rulebook.whyInvalid(record, offers, context)),
  };
}

function among<K, V>(known: WeakMap<ChainState, Map<K, V>>, parent: ChainState): Map<K, V> {
  const found = known.get(parent) ?? new Map<K, V>();
  known.set(parent, found);
  return found;
}

function once<K, V>(known: Map<K, V>, key: K, compute: () => V): V {
  const value = known.get(key);
  if (value !== undefined) return value;
  const computed = compute();
  known.set(key, computed);
  return computed;
}
