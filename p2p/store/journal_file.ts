/**
 * The bytes of a journal file: a first line, then entries, each with its length and checksum.
 *
 * A crash can cut the last entry short and a disk can damage any. Reading goes on behind what is damaged, at the next
 * place where a length and a checksum fit, so that one bad sector does not cost the history after it.
 * @module
 */
import { crc32 } from "node:zlib";
import { LARGEST_ENTRY_BYTES } from "./journal.ts";

export const JOURNAL_HEADER = new TextEncoder().encode("starling journal 1\n");
const FRAME_BYTES = 8; // length and CRC-32, both 4 bytes little-endian; the checksum covers the length too

/** Bytes that are no entry. */
export interface Damage {
  readonly start: number;
  readonly end: number;
  readonly reason: string;
}

export interface ParsedJournal {
  readonly entries: readonly Uint8Array[];
  readonly damages: readonly Damage[];
}

/** Null if this is no journal, or one of another version. An empty file is an empty journal. */
export function parseJournal(bytes: Uint8Array): ParsedJournal | null {
  const entries: Uint8Array[] = [], damages: Damage[] = [];
  const isHeaderWhole = JOURNAL_HEADER.every((byte, i) => bytes[i] === byte);
  const isHeaderCut = !isHeaderWhole && JOURNAL_HEADER.every((byte, i) => i >= bytes.length || bytes[i] === byte);
  if (isHeaderCut) {
    const reason = "its first line is cut short";
    return { entries, damages: bytes.length === 0 ? [] : [{ start: 0, end: bytes.length, reason }] };
  }
  for (let at = isHeaderWhole ? JOURNAL_HEADER.length : 0; at < bytes.length;) {
    const found = entryAt(bytes, at);
    if (typeof found !== "string") {
      entries.push(found);
      at += FRAME_BYTES + found.length;
      continue;
    }
    const end = nextEntry(bytes, at + 1);
    damages.push({
      start: at,
      end,
      reason: at === 0 ? "its first line is damaged" : `entry ${entries.length} ${found}`,
    });
    at = end;
  }
  const isOtherVersion = /^starling journal \d+\n/.test(new TextDecoder().decode(bytes.subarray(0, 40)));
  return isHeaderWhole || entries.length > 0 && !isOtherVersion ? { entries, damages } : null;
}

/** @throws {RangeError} if an entry is too large to be read back. */
export function encodeEntries(entries: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
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

/** The entry that begins here, or why there is none. */
function entryAt(bytes: Uint8Array, at: number): Uint8Array | string {
  if (bytes.length - at < FRAME_BYTES) return "is cut short";
  const view = new DataView(bytes.buffer, bytes.byteOffset + at, FRAME_BYTES);
  const length = view.getUint32(0, true);
  if (length > LARGEST_ENTRY_BYTES) return `claims ${length} bytes`;
  if (bytes.length - at - FRAME_BYTES < length) return "is cut short";
  const entry = bytes.subarray(at + FRAME_BYTES, at + FRAME_BYTES + length);
  return checksum(entry) === view.getUint32(4, true) ? entry : "has a wrong checksum";
}

/** Where the next whole entry begins, or the end. */
function nextEntry(bytes: Uint8Array, from: number): number {
  for (let at = from; at <= bytes.length - FRAME_BYTES; at++) {
    if (typeof entryAt(bytes, at) !== "string") return at;
  }
  return bytes.length;
}

/** Starts from the length, so that a run of zeros is no valid entry. */
function checksum(entry: Uint8Array): number {
  return crc32(entry, (entry.length ^ 0x5374_6172) >>> 0);
}
