/**
 * The journal as the core knows it: entries in and out of bytes, and which old ones may go.
 * @module
 */
import type { Journal } from "./store/journal.ts";
import { StorageError } from "./store/storage_error.ts";
import type { JournalEntry } from "./sync/effects.ts";
import { decodeJournalEntry, encodeJournalEntry, entryVersion, WIRE_VERSION } from "./wire.ts";

/** Rounds that a rewritten journal keeps: more than the core ever looks back (`ARCHIVE_ROUNDS`, and late offers). */
const KEPT_ROUNDS = 320;
/** A journal smaller than this is not rewritten: it is also the run's history for people. */
const LARGE_BYTES = 32 * 1024 * 1024;

export interface ReadJournal {
  readonly entries: readonly JournalEntry[];
  /** What could not be used, in words; null if all could. */
  readonly damage: string | null;
}

export class PeerJournal {
  readonly #journal: Journal;
  #rewriteAtBytes = LARGE_BYTES;

  constructor(journal: Journal) {
    this.#journal = journal;
  }

  /**
   * Everything that was appended and can be read. Called once, before `append`.
   * @throws {StorageError} if another version of the program wrote it: what it says would be left out, and then lost.
   */
  async read(): Promise<ReadJournal> {
    const { entries: found, dropped } = await this.#journal.read();
    const version = found.map(entryVersion).find((version) => version !== WIRE_VERSION);
    if (version !== undefined) throw new StorageError(otherVersion(version));
    const decoded = found.map(decodeJournalEntry);
    const entries = decoded.flatMap((entry) => entry.ok ? [entry.value] : []);
    const unreadable = decoded.length - entries.length;
    const damage: string[] = [];
    if (dropped !== null) {
      damage.push(`${dropped.reason}: ${dropped.sizeBytes} bytes were dropped, kept at ${dropped.keptAt}`);
    }
    if (unreadable > 0) damage.push(`${unreadable} entries are damaged and were left out`);
    return { entries, damage: damage.length === 0 ? null : damage.join("; ") };
  }

  /** Durable when it resolves. Lets old rounds go when the journal has grown large. */
  async append(entries: readonly JournalEntry[]): Promise<void> {
    await this.#journal.append(entries.map(encodeJournalEntry), { durable: true });
    if (this.#journal.sizeBytes() < this.#rewriteAtBytes) return;
    try {
      const { entries: all } = await this.read();
      await this.#journal.rewrite(recent(all).map(encodeJournalEntry));
    } catch (error) {
      if (!(error instanceof StorageError && error.isFull)) throw error; // what was appended is on disk all the same
    }
    this.#rewriteAtBytes = Math.max(LARGE_BYTES, 2 * this.#journal.sizeBytes());
  }
}

function otherVersion(version: number): string {
  const [writer, remedy] = version > WIRE_VERSION
    ? ["a newer", "Update this program"]
    : ["an older", "Go on with that version"];
  return `Cannot read this peer's journal: it has entries of version ${version}, and this program reads ` +
    `${WIRE_VERSION}: ${writer} one wrote it. ${remedy}, or give the peer another folder with --state.`;
}

/** The entries of the last rounds, in their order. */
export function recent(entries: readonly JournalEntry[]): readonly JournalEntry[] {
  const last = entries.reduce((round, entry) => Math.max(round, roundOf(entry)), 0);
  const newestChange = entries.findLast(({ kind }) => kind === "change"); // each is newer than those before it
  return entries.filter((entry) =>
    entry.kind === "change" ? entry === newestChange : roundOf(entry) > last - KEPT_ROUNDS
  );
}

function roundOf(entry: JournalEntry): number {
  switch (entry.kind) {
    case "record":
    case "state":
      return entry.record.body.round;
    case "offer":
    case "refuted":
      return entry.offer.body.round;
    case "change":
      return 0;
    default:
      return entry satisfies never;
  }
}
