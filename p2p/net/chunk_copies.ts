/**
 * Which chunk of a blob is fetched from whom: each from one donor, and from a second one where the first holds up the
 * end. Bookkeeping only: it asks nobody and checks nothing.
 *
 * Chunk by chunk, whoever has time takes the next; so a donor's share follows its speed. When none are left to take, a
 * donor that would be done sooner copies what a slower one still has under way (the end game of BitTorrent).
 * @module
 */
import { chunkSpan } from "../store/chunks.ts";
import type { PeerId } from "../sync/types.ts";
import type { Piece } from "./blob_requests.ts";

/** A chunk on its way from one donor. */
export class Copy {
  readonly index: number;
  readonly source: Source;
  /** Aborts the requests for it. */
  readonly stop = new AbortController();
  readonly sizeBytes: number;
  readonly #start: number;
  #bytes: Uint8Array<ArrayBuffer> | null = null;
  #asked = 0;
  #arrived = 0;

  constructor(index: number, source: Source, sizeBytes: number) {
    const { start, end } = chunkSpan(sizeBytes, index);
    this.index = index;
    this.source = source;
    this.sizeBytes = end - start;
    this.#start = start;
  }

  get isAsked(): boolean {
    return this.#asked === this.sizeBytes;
  }

  get leftBytes(): number {
    return this.sizeBytes - this.#arrived;
  }

  /** The next piece to ask for, at most this large. */
  take(mostBytes: number): Piece {
    const start = this.#start + this.#asked;
    this.#asked = Math.min(this.sizeBytes, this.#asked + mostBytes);
    return { start, end: this.#start + this.#asked };
  }

  /** A piece has come; it is the copy's from now on. */
  put({ start }: Piece, bytes: Uint8Array<ArrayBuffer>): void {
    if (bytes.length === this.sizeBytes) this.#bytes = bytes;
    else {
      this.#bytes ??= new Uint8Array(this.sizeBytes);
      this.#bytes.set(bytes, start - this.#start);
    }
    this.#arrived += bytes.length;
  }

  /** The chunk, once nothing is left. */
  get bytes(): Uint8Array<ArrayBuffer> {
    return this.#bytes ?? new Uint8Array();
  }
}

/** A donor as one fetch sees it. */
export class Source {
  readonly peer: PeerId;
  readonly copies = new Set<Copy>();
  /** When what it still owes was asked for. */
  readonly owedSinceMs = new Set<{ atMs: number }>();
  listAsked = false;
  readonly #sinceMs: number;
  #givenBytes = 0;

  constructor(peer: PeerId, nowMs: number) {
    this.peer = peer;
    this.#sinceMs = nowMs;
  }

  give(bytes: number): void {
    this.#givenBytes += bytes;
  }

  get hasGiven(): boolean {
    return this.#givenBytes > 0;
  }

  /** For how long it has owed its oldest answer. */
  owedMs(nowMs: number): number {
    const [oldest] = this.owedSinceMs;
    return oldest === undefined ? 0 : nowMs - oldest.atMs;
  }

  /** A time in which this peer could not have heard an answer is not counted. */
  forgive(ms: number): void {
    for (const owed of this.owedSinceMs) owed.atMs += ms;
  }

  /** How long it will take for so many bytes, by what it gave so far. */
  expectMs(bytes: number, nowMs: number): number {
    return this.#givenBytes === 0 ? Infinity : bytes * (nowMs - this.#sinceMs) / this.#givenBytes;
  }
}

export class ChunkCopies {
  readonly #sizeBytes: number;
  readonly #waiting: number[];
  readonly #copies = new Map<number, readonly Copy[]>();
  #missing: number;

  /** @param missing Indices that are not held, in the order to fetch them. */
  constructor(sizeBytes: number, missing: readonly number[]) {
    this.#sizeBytes = sizeBytes;
    this.#waiting = [...missing];
    this.#missing = missing.length;
  }

  get isComplete(): boolean {
    return this.#missing === 0;
  }

  /** What this source is to be asked for next, or null if it can be of no use now. */
  next(source: Source, { nowMs, isOverdue }: {
    readonly nowMs: number;
    readonly isOverdue: (source: Source) => boolean;
  }): Copy | null {
    for (const copy of source.copies) if (!copy.isAsked) return copy;
    if (isOverdue(source)) return null;
    const index = this.#waiting.shift() ?? this.#slowest(source, nowMs, isOverdue);
    if (index === null) return null;
    const copy = new Copy(index, source, this.#sizeBytes);
    source.copies.add(copy);
    this.#copies.set(index, [...this.#copies.get(index) ?? [], copy]);
    return copy;
  }

  /** The chunk is held: nothing more of it is needed. False if it was before. */
  complete(index: number): boolean {
    const copies = this.#copies.get(index) ?? [], waiting = this.#waiting.indexOf(index);
    if (copies.length === 0 && waiting < 0) return false;
    if (waiting >= 0) this.#waiting.splice(waiting, 1); // given up while it was written
    this.#copies.delete(index);
    this.#missing--;
    for (const copy of copies) {
      copy.source.copies.delete(copy);
      copy.stop.abort();
    }
    return true;
  }

  /** This copy comes to nothing: unless there is another, the chunk waits again. */
  giveUp(copy: Copy): void {
    copy.source.copies.delete(copy);
    copy.stop.abort();
    const copies = this.#copies.get(copy.index);
    if (copies === undefined || !copies.includes(copy)) return;
    if (copies.length > 1) return void this.#copies.set(copy.index, copies.filter((other) => other !== copy));
    this.#copies.delete(copy.index);
    this.#waiting.unshift(copy.index);
  }

  /** The chunk that one other source alone has under way, would have last, and later than this one. */
  #slowest(source: Source, nowMs: number, isOverdue: (source: Source) => boolean): number | null {
    let slowest: number | null = null, longestMs = 0;
    for (const [index, [copy, second]] of this.#copies) {
      if (copy === undefined || second !== undefined || copy.source === source || copy.leftBytes === 0) continue;
      const leftMs = isOverdue(copy.source) ? Infinity : copy.source.expectMs(copy.leftBytes, nowMs);
      const mineMs = source.expectMs(copy.sizeBytes, nowMs);
      const isSooner = mineMs < leftMs || leftMs === Infinity && isOverdue(copy.source);
      if (isSooner && leftMs > longestMs) [slowest, longestMs] = [index, leftMs];
    }
    return slowest;
  }
}
