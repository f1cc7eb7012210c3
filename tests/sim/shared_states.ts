/**
 * Rules whose results all peers of a simulation share. Whether a record may follow its parent or parents, and the state
 * after it, are pure functions of them, so a hundred peers that compute them a hundred times find the same: here the first
 * one does it for all.
 *
 * Peers with a planted bug have rules of their own; and the checkers compute every state anew from the chain alone.
 * @module
 */
import type { Sides } from "../../p2p/sync/merge.ts";
import type { Rulebook } from "../../p2p/sync/rulebook.ts";
import type { ChainState, Digest, RoundRecord } from "../../p2p/sync/types.ts";

export function sharing(rulebook: Rulebook): Rulebook {
  const states = new WeakMap<ChainState, Map<Digest, ChainState>>();
  const faults = new WeakMap<ChainState, Map<RoundRecord, string | null>>();
  // What a side has of its own follows from both heads: whoever lacks some of it has no side at all.
  const merged = new WeakMap<ChainState, Map<ChainState, Map<Digest, ChainState>>>();
  const mergeFaults = new WeakMap<ChainState, Map<ChainState, Map<RoundRecord, string | null>>>();
  const between = <K, V>(known: WeakMap<ChainState, Map<ChainState, Map<K, V>>>, [a, b]: Sides): Map<K, V> =>
    once(among(known, a.chain), b.chain, () => new Map<K, V>());
  return {
    ...rulebook,
    advance: (parent, options) => once(among(states, parent), options.digest, () => rulebook.advance(parent, options)),
    whyInvalid: (record, offers, context) =>
      once(among(faults, context.parent), record, () => rulebook.whyInvalid(record, offers, context)),
    unite: (sides, options) => once(between(merged, sides), options.digest, () => rulebook.unite(sides, options)),
    whyInvalidMerge: (record, sides, rules) =>
      once(between(mergeFaults, sides), record, () => rulebook.whyInvalidMerge(record, sides, rules)),
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
