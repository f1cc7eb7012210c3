/**
 * The records just behind a head: which offers they count, and how many steps back each is.
 *
 * A state lists every record at most S steps back (`ChainState.recent`), along either parent of a merge record. That is
 * enough that no offer is counted twice (law 2):
 *
 *  1. An offer is counted for a record no earlier than its own round, and every step back goes to a lower round; so
 *     what could count an offer that is at most S rounds late is at most S steps back.
 *  2. An offer trained on a record at most S steps back is countable whatever its round says, because one side of a
 *     merge may have fewer rounds than the other. The side that counted it may be longer: so the entry of the merge
 *     record itself lists what either side counted of those (`merge.ts`), and is as near as the offer's parent or nearer.
 * @module
 */
import type { ChainState, Digest, Recent } from "./types.ts";

/** What is known of a record just behind a head. */
export interface Near {
  /** Steps back from the head; 0 is the head. */
  readonly distance: number;
  readonly round: number;
  /** State digest, where a record after it has one. */
  readonly base: Digest | null;
}

export interface Neighbourhood {
  readonly records: ReadonlyMap<Digest, Near>;
  /** Offers that these records count, and the blobs of their contributions. */
  readonly counted: ReadonlySet<Digest>;
  readonly blobs: ReadonlySet<Digest>;
}

const known = new WeakMap<ChainState, Neighbourhood>();

/** The neighbourhood of a state's head; collected once for each state, which never changes. */
export function neighbourhood(chain: ChainState): Neighbourhood {
  let found = known.get(chain);
  if (found === undefined) known.set(chain, found = collect(chain));
  return found;
}

/** Those of these entries that are at most `most` steps back from `head`, the nearest first. */
export function within(most: number, head: Digest, entries: Iterable<Recent>): readonly Recent[] {
  const byRecord = new Map([...entries].map((entry) => [entry.record, entry]));
  const distances = distancesFrom(head, byRecord);
  return [...byRecord.values()]
    .filter(({ record }) => (distances.get(record) ?? Infinity) <= most)
    .sort((a, b) => distances.get(a.record)! - distances.get(b.record)! || (a.record < b.record ? -1 : 1));
}

function collect({ head, round, recent }: ChainState): Neighbourhood {
  const byRecord = new Map(recent.map((entry) => [entry.record, entry]));
  const bases = new Map<Digest, Digest>();
  for (const { parents, bases: of } of recent) parents.forEach((parent, i) => bases.set(parent, of[i]!));
  const records = new Map<Digest, Near>([[head, { distance: 0, round, base: null }]]);
  for (const [record, distance] of distancesFrom(head, byRecord)) {
    records.set(record, { distance, round: byRecord.get(record)!.round, base: bases.get(record) ?? null });
  }
  return {
    records,
    counted: new Set(recent.flatMap(({ counted }) => counted)),
    blobs: new Set(recent.flatMap(({ blobs }) => blobs)),
  };
}

/** Steps back along the shortest way, through the entries alone. */
function distancesFrom(head: Digest, entries: ReadonlyMap<Digest, Recent>): ReadonlyMap<Digest, number> {
  const distances = new Map<Digest, number>();
  for (let ring: readonly Digest[] = [head], distance = 0; ring.length > 0; distance++) {
    const next: Digest[] = [];
    for (const record of ring) {
      const entry = entries.get(record);
      if (entry === undefined || distances.has(record)) continue;
      distances.set(record, distance);
      next.push(...entry.parents);
    }
    ring = next;
  }
  return distances;
}
