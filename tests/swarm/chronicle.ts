/**
 * What the journals of a whole flock say together, and whether every trained window in them is accounted for.
 *
 * It believes nobody's sums: history, tokens and ledger are recomputed from records and offers.
 * @module
 */
import { readDiskJournal } from "../../p2p/store/disk_journal.ts";
import { bodyDigest } from "../../p2p/sync/digest.ts";
import { account } from "../../p2p/sync/ledger.ts";
import type { ChainState, Digest, Offer, PeerId, RoundRecord } from "../../p2p/sync/types.ts";
import { decodeJournalEntry } from "../../p2p/wire.ts";

export interface Chronicle {
  readonly records: ReadonlyMap<Digest, RoundRecord>;
  readonly offers: ReadonlyMap<Digest, Offer>;
  /** By the head that they are the state after. */
  readonly states: ReadonlyMap<Digest, ChainState>;
}

/** Reads journals, which peers may be writing. */
export async function readChronicle(paths: readonly string[]): Promise<Chronicle> {
  const records = new Map<Digest, RoundRecord>(), offers = new Map<Digest, Offer>();
  const states = new Map<Digest, ChainState>();
  for (const path of paths) {
    for (const bytes of await readDiskJournal(path) ?? []) {
      const decoded = decodeJournalEntry(bytes);
      if (!decoded.ok) throw new Error(`The journal ${path} has an entry that cannot be read: ${decoded.reason}`);
      const { value: entry } = decoded;
      if (entry.kind === "offer") offers.set(bodyDigest(entry.offer.body), entry.offer.body);
      else records.set(bodyDigest(entry.record.body), entry.record.body);
      if (entry.kind === "state") states.set(entry.chain.head, entry.chain);
    }
  }
  return { records, offers, states };
}

/** A record and all before it, by every parent; the genesis record, which nobody journals, is left out. */
export function ancestry({ records }: Chronicle, head: Digest): ReadonlyMap<Digest, RoundRecord> {
  const found = new Map<Digest, RoundRecord>(), open = [head];
  for (let digest = open.pop(); digest !== undefined; digest = open.pop()) {
    const record = records.get(digest);
    if (record === undefined || found.has(digest)) continue;
    found.set(digest, record);
    open.push(...record.parents);
  }
  return found;
}

export interface Audit {
  readonly head: Digest;
  /** Offers for later rounds may still be counted. */
  readonly settledRound: number;
  /** Whether the author of an offer was told that nothing counts it. */
  readonly isTold: (author: PeerId, round: number) => boolean;
}

/** What is wrong with the history of `head`, in words (laws 2, 5 and 10); nothing if all is accounted for. */
export function faults(chronicle: Chronicle, { head, settledRound, isTold }: Audit): readonly string[] {
  const history = ancestry(chronicle, head), state = chronicle.states.get(head);
  if (state === undefined) return [`no journal has the state after ${head}`];
  const counted = new Set([...history.values()].flatMap((record) => record.counted.map(({ offer }) => offer)));
  const absent = [...counted].filter((digest) => !chronicle.offers.has(digest));
  if (absent.length > 0) return [`no journal has the counted offers ${absent.join(", ")}`];

  const offers = [...counted].map((digest) => chronicle.offers.get(digest)!);
  const tokens = offers.reduce((sum, offer) => sum + offer.tokens, 0);
  const silent = [...chronicle.offers].filter(([digest, { peer, round, tokens }]) =>
    tokens > 0 && round <= settledRound && !counted.has(digest) && !isTold(peer, round)
  );
  return [
    ...(tokens === state.tokens ? [] : [`the history counts ${tokens} tokens, its state says ${state.tokens}`]),
    ...countedTwice(history),
    ...account(state.ledger, offers.map(({ ranges }) => ranges)),
    ...silent.map(([digest, { peer, round }]) => `nobody told ${peer} what became of ${digest} for round ${round}`),
  ];
}

/** An offer may be counted on both sides of a fork that was merged, but only once on the way to either. */
function countedTwice(history: ReadonlyMap<Digest, RoundRecord>): string[] {
  const before = new Map<Digest, ReadonlySet<Digest>>(), found: string[] = [];
  for (const [digest, record] of [...history].sort(([, a], [, b]) => a.round - b.round)) {
    const known = new Set(record.parents.flatMap((parent) => [...before.get(parent) ?? []]));
    for (const { offer } of record.counted) {
      if (known.has(offer)) found.push(`record ${record.round} counts offer ${offer} for the second time`);
      known.add(offer);
    }
    before.set(digest, known);
  }
  return found;
}
