/**
 * Whether a disk has lost a run: none of the states that a core tries can be read, nor what would fold one of them anew,
 * nor any as new as those. Only then may a peer end against its user's will, or wait for others to give it a state (law 4).
 * It waits as well where it has found out that all that it could stand on follows garbage.
 * @module
 */
import { isHeavier } from "../../../p2p/sync/fork.ts";
import { bodyDigest } from "../../../p2p/sync/digest.ts";
import type { JournalEntry } from "../../../p2p/sync/effects.ts";
import type { Digest, Offer, RoundRecord } from "../../../p2p/sync/types.ts";
import type { Observer } from "../observer.ts";
import type { SimDisk } from "../sim_disk.ts";
import { historyOf } from "./history.ts";

type SavedState = Extract<JournalEntry, { kind: "state" }>;

/** Saved states that a restarting core tries. */
const MOST_STATES = 8;

/** The states of a disk that a restarting core tries, the heaviest first. */
export function triedStates({ journal }: SimDisk): readonly SavedState[] {
  return journal.filter((entry) => entry.kind === "state")
    .sort((a, b) => isHeavier(a.chain, b.chain) ? -1 : 1).slice(0, MOST_STATES);
}

/** Whether a head follows what these entries say to be garbage. */
export function followsRefuted(head: Digest, journal: readonly JournalEntry[], observer: Observer): boolean {
  const refuted = new Set(journal.flatMap((entry) => entry.kind === "refuted" ? [bodyDigest(entry.offer.body)] : []));
  return refuted.size > 0 &&
    historyOf(head, observer).some(({ record: { counted } }) => counted.some(({ offer }) => refuted.has(offer)));
}

/** Whether a peer found out, once it stood on this head, that it follows garbage: nobody honest stays there. */
export function isGivenUp(head: Digest, { journal }: SimDisk, observer: Observer): boolean {
  const at = journal.findLastIndex((entry) => entry.kind === "state" && entry.chain.head === head);
  return followsRefuted(head, journal.slice(at + 1), observer);
}

export function hasLostRun(disk: SimDisk): boolean {
  const tried = triedStates(disk), newest = tried[0]?.chain;
  if (tried.some(({ weights }) => disk.isWhole(weights.digest))) return false;
  if (newest === undefined) return true;
  const records = new Map<Digest, RoundRecord>(), offers = new Map<Digest, Offer>();
  for (const entry of disk.journal) {
    if (entry.kind === "record" || entry.kind === "state") {
      records.set(bodyDigest(entry.record.body), entry.record.body);
    }
    if (entry.kind === "offer") offers.set(bodyDigest(entry.offer.body), entry.offer.body);
  }
  const least = Math.max(1, newest.round - MOST_STATES + 1);
  const way = [newest.head];
  for (const digest of way) way.push(...records.get(digest)?.parents.slice(0, 1) ?? []);
  const needed = way.flatMap((digest) => records.get(digest) ?? []).filter(({ round }) => round <= least);
  const isHere = (offer: Digest) => {
    const blob = offers.get(offer)?.blob;
    return blob !== undefined && (blob === null || disk.isWhole(blob.digest));
  };
  return needed.length < least || !needed.every(({ counted }) => counted.every(({ offer }) => isHere(offer)));
}
