/**
 * The journal as a file.
 *
 * What is damaged in it is found when it is opened: it is told, copied beside the file for whoever wants to look, and
 * the file is written anew with the entries that are whole.
 * @module
 */
import { dirname } from "node:path";
import { nullIfAbsent, removeIfThere, syncFolder, writeAll } from "./files.ts";
import type { Journal, JournalContents } from "./journal.ts";
import { type Damage, encodeEntries, JOURNAL_HEADER, parseJournal } from "./journal_file.ts";
import { onDisk, StorageError } from "./storage_error.ts";

/** Copies of damaged parts that are kept; after that the last one is replaced. */
const MOST_COPIES = 8;

/**
 * Opens or creates a journal file. The caller holds the lock of the state folder.
 * @throws {StorageError} if the disk refuses, or the file is no journal of this version.
 */
export async function openDiskJournal(path: string): Promise<Journal> {
  const file = await onDisk(
    `open the journal ${path}`,
    () => Deno.open(path, { read: true, write: true, create: true }),
  );
  return new DiskJournal(path, file);
}

/**
 * The entries of a journal file that another peer may be writing: only reads, and leaves a damaged end alone.
 * @returns Null if there is no such file.
 */
export async function readDiskJournal(path: string): Promise<readonly Uint8Array[] | null> {
  const bytes = await onDisk(`read the journal ${path}`, () => nullIfAbsent(Deno.readFile(path)));
  return bytes === null ? null : parseJournal(bytes)?.entries ?? null;
}

class DiskJournal implements Journal {
  readonly #path: string;
  #file: Deno.FsFile;
  #sizeBytes = 0;
  /** Appends and rewrites wait for each other here. */
  #last: Promise<void> = Promise.resolve();

  constructor(path: string, file: Deno.FsFile) {
    this.#path = path;
    this.#file = file;
  }

  async read(): Promise<JournalContents> {
    return await onDisk(`read the journal ${this.#path}`, async () => {
      const bytes = await Deno.readFile(this.#path), parsed = parseJournal(bytes);
      if (parsed === null) {
        throw new StorageError(
          `Cannot read the journal ${this.#path}: it does not start like a journal of this version. ` +
            "Update this program, or move the file away to start from what the other peers have.",
        );
      }
      const { entries, damages } = parsed, [first, ...others] = damages;
      this.#sizeBytes = bytes.length;
      if (bytes.length === 0) {
        this.#sizeBytes = 0;
        await this.#write(JOURNAL_HEADER, { durable: true });
        await syncFolder(dirname(this.#path));
      }
      if (first === undefined) return { entries, dropped: null };
      const keptAt = await this.#keepDamaged(bytes, damages);
      await this.rewrite(entries);
      const more = others.length === 0 ? "" : ` (and ${others.length} places more)`;
      const sizeBytes = damages.reduce((sum, { start, end }) => sum + end - start, 0);
      return { entries, dropped: { sizeBytes, reason: `${first.reason}${more}`, keptAt } };
    });
  }

  append(entries: readonly Uint8Array[], options: { readonly durable: boolean }): Promise<void> {
    const bytes = encodeEntries(entries);
    return this.#inTurn(() => onDisk(`write to the journal ${this.#path}`, () => this.#write(bytes, options)));
  }

  rewrite(entries: readonly Uint8Array[]): Promise<void> {
    const bytes = encodeEntries(entries);
    return this.#inTurn(() =>
      onDisk(`rewrite the journal ${this.#path}`, async () => {
        const temporary = `${this.#path}.writing`;
        const file = await Deno.open(temporary, { read: true, write: true, create: true, truncate: true });
        try {
          await writeAll(file, JOURNAL_HEADER);
          await writeAll(file, bytes);
          await file.sync();
          await Deno.rename(temporary, this.#path);
        } catch (error) {
          file.close();
          await removeIfThere(temporary);
          throw error;
        }
        this.#file.close();
        this.#file = file;
        this.#sizeBytes = JOURNAL_HEADER.length + bytes.length;
        await syncFolder(dirname(this.#path)); // also if this fails, the old file has no name any more
      })
    );
  }

  sizeBytes(): number {
    return this.#sizeBytes;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#last;
    this.#file.close();
  }

  /** Writes after the last whole entry; what a failed write left there is overwritten by the next. */
  async #write(bytes: Uint8Array, { durable }: { readonly durable: boolean }): Promise<void> {
    await this.#file.seek(this.#sizeBytes, Deno.SeekMode.Start);
    await writeAll(this.#file, bytes);
    if (durable) await this.#file.sync();
    this.#sizeBytes += bytes.length;
  }

  /** @returns where the copies lie, one after the other. */
  async #keepDamaged(bytes: Uint8Array, damages: readonly Damage[]): Promise<string> {
    const pathOf = (n: number) => `${this.#path}.damaged-${n}`;
    let n = 1;
    while (n < MOST_COPIES && await nullIfAbsent(Deno.stat(pathOf(n))) !== null) n++;
    using file = await Deno.open(pathOf(n), { write: true, create: true, truncate: true });
    for (const { start, end } of damages) await writeAll(file, bytes.subarray(start, end));
    return pathOf(n);
  }

  #inTurn(work: () => Promise<void>): Promise<void> {
    const done = this.#last.then(work);
    this.#last = done.catch(() => {}); // the caller hears of it through `done`
    return done;
  }
}
