/**
 * A history as the checkers see it: all records that lead to a head, with the offers that each counts.
 * @module
 */
import type { Digest, Offer, RoundRecord } from "../../../p2p/sync/types.ts";
import type { Observer } from "../observer.ts";

export interface Chapter {
  readonly digest: Digest;
  readonly record: RoundRecord;
  /** Those it counts, in its order. */
  readonly offers: readonly Offer[];
}

/** Parents before children. Records that nobody wrote down are left out, and so is what is before them. */
export function historyOf(head: Digest, { records, offers }: Observer): readonly Chapter[] {
  const found = new Map<Digest, Chapter>();
  for (const open = [head]; open.length > 0;) {
    const digest = open.pop()!, record = records.get(digest);
    if (record === undefined || found.has(digest)) continue;
    found.set(digest, { digest, record, offers: record.counted.flatMap(({ offer }) => offers.get(offer) ?? []) });
    open.push(...record.parents);
  }
  return [...found.values()].sort((a, b) => a.record.round - b.record.round || (a.digest < b.digest ? -1 : 1));
}

/** Each record's ancestors, itself left out. */
export function ancestorsIn(history: readonly Chapter[]): ReadonlyMap<Digest, ReadonlySet<Digest>> {
  const ancestors = new Map<Digest, Set<Digest>>();
  for (const { digest, record: { parents } } of history) {
    const own = new Set<Digest>();
    for (const parent of parents) {
      own.add(parent);
      for (const older of ancestors.get(parent) ?? []) own.add(older);
    }
    ancestors.set(digest, own);
  }
  return ancestors;
}
