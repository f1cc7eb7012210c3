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
      if ("record" in entry) records.set(bodyDigest(entry.record.body), entry.record.body);
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

export interface AuditOptions {
  readonly head: Digest;
  /** Offers for later rounds may still be counted. */
  readonly settledRound: number;
  /** Whether the author of an offer was told that nothing counts it. */
  readonly isTold: (author: PeerId, round: number) => boolean;
}

export interface Audit {
  /** What is wrong, in words (laws 2, 5 and 10); nothing if all is accounted for. */
  readonly faults: readonly string[];
  /** In all settled offers, and in those of them that the history counts. */
  readonly offeredTokens: number;
  readonly countedTokens: number;
}

/** Recomputes the history of `head`. */
export function audit(chronicle: Chronicle, { head, settledRound, isTold }: AuditOptions): Audit {
  const history = ancestry(chronicle, head), state = chronicle.states.get(head);
  const counted = new Set([...history.values()].flatMap((record) => record.counted.map(({ offer }) => offer)));
  const settled = [...chronicle.offers].filter(([, { round }]) => round <= settledRound);
  const dropped = settled.filter(([digest, { tokens }]) => tokens > 0 && !counted.has(digest));
  const silent = dropped.filter(([, { peer, round }]) => !isTold(peer, round));
  return {
    faults: [
      ...(state === undefined ? [`no journal has the state after ${head}`] : wrongSums(chronicle, counted, state)),
      ...countedTwice(history),
      ...silent.map(([digest, { peer, round }]) => `nobody told ${peer} what became of ${digest} for round ${round}`),
    ],
    offeredTokens: sumOf(settled.map(([, { tokens }]) => tokens)),
    countedTokens: sumOf(settled.filter(([digest]) => counted.has(digest)).map(([, { tokens }]) => tokens)),
  };
}

function wrongSums({ offers }: Chronicle, counted: ReadonlySet<Digest>, state: ChainState): readonly string[] {
  const absent = [...counted].filter((digest) => !offers.has(digest));
  if (absent.length > 0) return [`no journal has the counted offers ${absent.join(", ")}`];
  const all = [...counted].map((digest) => offers.get(digest)!), tokens = sumOf(all.map(({ tokens }) => tokens));
  return [
    ...(tokens === state.tokens ? [] : [`the history counts ${tokens} tokens, its state says ${state.tokens}`]),
    ...account(state.ledger, all.map(({ ranges }) => ranges)),
  ];
}

function sumOf(numbers: readonly number[]): number {
  return numbers.reduce((sum, number) => sum + number, 0);
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
