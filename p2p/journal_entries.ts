/**
 * The journal as the core knows it: entries in and out of bytes, and which old ones may go.
 * @module
 */
import type { Journal } from "./store/journal.ts";
import type { JournalEntry } from "./sync/effects.ts";
import { decodeJournalEntry, encodeJournalEntry } from "./wire.ts";

/** Rounds that a rewritten journal keeps: more than the core ever looks back. */
const KEPT_ROUNDS = 64;
/** A journal smaller than this is never rewritten: it is also the run's history for people. */
const LARGE_BYTES = 32 * 1024 * 1024;

export interface ReadJournal {
  readonly entries: readonly JournalEntry[];
  /** What could not be used, in words; null if all could. */
  readonly damage: string | null;
}

/** Reads everything, and rewrites the journal if it has grown large. */
export async function readJournal(journal: Journal): Promise<ReadJournal> {
  const { entries: read, dropped } = await journal.read();
  const entries: JournalEntry[] = [];
  let unreadable = 0;
  for (const bytes of read) {
    const decoded = decodeJournalEntry(bytes);
    if (decoded.ok) entries.push(decoded.value);
    else unreadable++;
  }
  if (journal.sizeBytes() >= LARGE_BYTES) await journal.rewrite(recent(entries).map(encodeJournalEntry));
  const damage = [
    ...(dropped === null
      ? []
      : [`${dropped.reason}: ${dropped.sizeBytes} bytes were dropped, kept at ${dropped.keptAt}`]),
    ...(unreadable === 0 ? [] : [`${unreadable} entries are not of this version and were left out`]),
  ];
  return { entries, damage: damage.length === 0 ? null : damage.join("; ") };
}

export function appendEntries(journal: Journal, entries: readonly JournalEntry[]): Promise<void> {
  return journal.append(entries.map(encodeJournalEntry), { durable: true });
}

/** The entries of the last rounds, in their order. */
export function recent(entries: readonly JournalEntry[]): readonly JournalEntry[] {
  const last = entries.reduce((round, entry) => Math.max(round, roundOf(entry)), 0);
  return entries.filter((entry) => roundOf(entry) > last - KEPT_ROUNDS);
}

function roundOf(entry: JournalEntry): number {
  switch (entry.kind) {
    case "record":
    case "state":
      return entry.record.body.round;
    case "offer":
      return entry.offer.body.round;
    default:
      return entry satisfies never;
  }
}
