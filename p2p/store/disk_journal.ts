/**
 * The journal as a file of entries, each with its length and checksum.
 *
 * A crash can cut the last entry short, a disk can damage any: reading stops at the first entry that is not whole, says
 * what it dropped, keeps a copy of it beside the file, and cuts the file there.
 * @module
 */
import { dirname } from "node:path";
import { crc32 } from "node:zlib";
import { nullIfAbsent, syncFolder, writeAll } from "./files.ts";
import { type Journal, type JournalContents, LARGEST_ENTRY_BYTES } from "./journal.ts";
import { onDisk, StorageError } from "./storage_error.ts";

const HEADER = new TextEncoder().encode("starling journal 1\n");
const FRAME_BYTES = 8; // length and CRC-32, both 4 bytes little-endian; the checksum covers the length too

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
  return bytes === null || !startsLikeHeader(bytes) ? null : parse(bytes).entries;
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
      const bytes = await Deno.readFile(this.#path);
      if (!startsLikeHeader(bytes)) {
        throw new StorageError(
          `Cannot read the journal ${this.#path}: it does not start like a journal of this version. ` +
            "Update this program, or move the file away to start from what the other peers have.",
        );
      }
      const { entries, goodBytes, reason } = parse(bytes);
      this.#sizeBytes = goodBytes;
      if (reason === null) {
        if (goodBytes === 0) await this.#write(HEADER, { durable: true });
        return { entries, dropped: null };
      }
      const keptAt = await this.#keepDamaged(bytes.subarray(goodBytes));
      await this.#file.truncate(goodBytes);
      await this.#file.sync();
      if (goodBytes === 0) await this.#write(HEADER, { durable: true });
      return { entries, dropped: { sizeBytes: bytes.length - goodBytes, reason, keptAt } };
    });
  }

  append(entries: readonly Uint8Array[], options: { readonly durable: boolean }): Promise<void> {
    const bytes = encode(entries);
    return this.#inTurn(() => onDisk(`write to the journal ${this.#path}`, () => this.#write(bytes, options)));
  }

  rewrite(entries: readonly Uint8Array[]): Promise<void> {
    const bytes = encode(entries);
    return this.#inTurn(() =>
      onDisk(`rewrite the journal ${this.#path}`, async () => {
        const temporary = `${this.#path}.writing`;
        const file = await Deno.open(temporary, { read: true, write: true, create: true, truncate: true });
        try {
          await writeAll(file, HEADER);
          await writeAll(file, bytes);
          await file.sync();
          await Deno.rename(temporary, this.#path);
          await syncFolder(dirname(this.#path));
        } catch (error) {
          file.close();
          throw error;
        }
        this.#file.close();
        this.#file = file;
        this.#sizeBytes = HEADER.length + bytes.length;
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

  /** @returns where the copy lies: a name not in use. */
  async #keepDamaged(tail: Uint8Array): Promise<string> {
    for (let n = 1;; n++) {
      const path = `${this.#path}.damaged-${n}`;
      try {
        await Deno.writeFile(path, tail, { createNew: true });
        return path;
      } catch (error) {
        if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
      }
    }
  }

  #inTurn(work: () => Promise<void>): Promise<void> {
    const done = this.#last.then(work);
    this.#last = done.catch(() => {}); // the caller hears of it through `done`
    return done;
  }
}

interface Parsed {
  readonly entries: readonly Uint8Array[];
  /** Bytes up to the end of the last whole entry. */
  readonly goodBytes: number;
  /** Why reading stopped before the end, or null. */
  readonly reason: string | null;
}

function parse(bytes: Uint8Array): Parsed {
  if (bytes.length < HEADER.length) {
    return { entries: [], goodBytes: 0, reason: bytes.length === 0 ? null : "its first line is cut short" };
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const entries: Uint8Array[] = [];
  let at = HEADER.length;
  while (at < bytes.length) {
    const stop = (reason: string) => ({ entries, goodBytes: at, reason: `entry ${entries.length} ${reason}` });
    if (bytes.length - at < FRAME_BYTES) return stop("is cut short");
    const length = view.getUint32(at, true);
    if (length > LARGEST_ENTRY_BYTES) return stop(`claims ${length} bytes`);
    if (bytes.length - at - FRAME_BYTES < length) return stop("is cut short");
    const entry = bytes.subarray(at + FRAME_BYTES, at + FRAME_BYTES + length);
    if (checksum(entry) !== view.getUint32(at + 4, true)) return stop("has a wrong checksum");
    entries.push(entry);
    at += FRAME_BYTES + length;
  }
  return { entries, goodBytes: at, reason: null };
}

function encode(entries: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(entries.reduce((sum, entry) => sum + FRAME_BYTES + entry.length, 0));
  const view = new DataView(bytes.buffer);
  let at = 0;
  for (const entry of entries) {
    if (entry.length > LARGEST_ENTRY_BYTES) {
      throw new RangeError(`Cannot write a journal entry of ${entry.length} bytes; most is ${LARGEST_ENTRY_BYTES}`);
    }
    view.setUint32(at, entry.length, true);
    view.setUint32(at + 4, checksum(entry), true);
    bytes.set(entry, at + FRAME_BYTES);
    at += FRAME_BYTES + entry.length;
  }
  return bytes;
}

/** Starts from the length, so that a run of zeros is no valid entry. */
function checksum(entry: Uint8Array): number {
  return crc32(entry, (entry.length ^ 0x5374_6172) >>> 0);
}

function startsLikeHeader(bytes: Uint8Array): boolean {
  return HEADER.every((byte, i) => i >= bytes.length || bytes[i] === byte);
}
