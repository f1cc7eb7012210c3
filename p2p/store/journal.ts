/**
 * The journal: what a peer must not forget, in the order it learnt it. Entries are opaque bytes.
 *
 * It only grows; now and then it is rewritten with the entries still needed. Two providers: `MemoryJournal` here and
 * `disk_journal.ts`. A disk may give back less than was written: whoever reads must bear a journal that ends early.
 * @module
 */

/** Most bytes of one entry; a longer length in a file is damage. */
export const LARGEST_ENTRY_BYTES = 2 * 1024 * 1024;

/** What a journal holds, and what of it was lost. */
export interface JournalContents {
  readonly entries: readonly Uint8Array[];
  /** What could not be read, or null if all was whole. */
  readonly dropped: { readonly sizeBytes: number; readonly reason: string; readonly keptAt: string | null } | null;
}

/** A list of entries that only grows, but for `rewrite`. */
export interface Journal extends AsyncDisposable {
  /** Everything appended before, in order. Called once, before anything else. */
  read(): Promise<JournalContents>;
  /** Appends in the order of the calls; on disk and synced when it resolves, if `durable`. */
  append(entries: readonly Uint8Array[], options: { readonly durable: boolean }): Promise<void>;
  /** Replaces everything by these entries, or changes nothing if that fails. */
  rewrite(entries: readonly Uint8Array[]): Promise<void>;
  /** Size now, for whoever decides when to rewrite. */
  sizeBytes(): number;
}

/** A journal in memory that outlives nothing but the object itself. */
export class MemoryJournal implements Journal {
  #entries: Uint8Array[] = [];

  read(): Promise<JournalContents> {
    return Promise.resolve({ entries: [...this.#entries], dropped: null });
  }

  append(entries: readonly Uint8Array[]): Promise<void> {
    for (const entry of entries) this.#entries.push(entry.slice());
    return Promise.resolve();
  }

  rewrite(entries: readonly Uint8Array[]): Promise<void> {
    this.#entries = entries.map((entry) => entry.slice());
    return Promise.resolve();
  }

  sizeBytes(): number {
    return this.#entries.reduce((sum, entry) => sum + entry.length, 0);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return Promise.resolve();
  }
}
