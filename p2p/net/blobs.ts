/**
 * Fetching a blob: from many donors at once, chunk by chunk, each checked, over whatever happens to donors meanwhile.
 *
 * The reader pulls pieces, as many at once as the lines bear (`donors.ts`), so a slow reader slows its donors and
 * memory stays bounded on both sides. Nothing a donor says is believed: the chunk list is checked against the blob's
 * name and every chunk against the list. A chunk comes from one donor, so whoever sent wrong bytes is known; it is
 * named, and left alone for a while. What is slow is measured against the others: nobody sets a timeout. What was
 * fetched is kept, through aborts, kills and restarts.
 * @module
 */
import { type Clock, systemClock } from "../clock.ts";
import { reasonOf } from "../reason.ts";
import { type BlobStore, CHUNK_BYTES, type PartialBlob } from "../store/blob_store.ts";
import { type ChunkList, chunkSpan, decodeChunkList, sha256 } from "../store/chunks.ts";
import { StorageError } from "../store/storage_error.ts";
import type { BlobName, PeerId } from "../sync/types.ts";
import { BLOBS_PROTOCOL, encodeBlobRequest, type Piece } from "./blob_requests.ts";
import { ChunkCopies, type Copy, Source } from "./chunk_copies.ts";
import { Donors } from "./donors.ts";
import { requestBulk } from "./relay.ts";
import type { Transport } from "./transport.ts";
import { failureOf } from "./transport_error.ts";

/** Donors asked at once. */
const MOST_SOURCES = 8;
/** Chunks that wait for the disk; while there are more, nothing is asked for. */
const MOST_WRITES = 16;
/** How often a fetch looks who is late. */
const REVIEW_MS = 250;
/** A look that comes later than this tells that this machine slept, or this process did not run. */
const SLEPT_MS = 2_000;
/** Time after which one more of those who may have the blob is asked. */
const NEXT_SOURCE_MS = 2_000;
/** An answer is overdue after this long, or this many times what the donor usually takes: others may take its chunks. */
const LEAST_OVERDUE_MS = 1_000, OVERDUE_ANSWERS = 4;
/** … and the donor is dropped after this long, or this many times what the others take, if there are others; … */
const LEAST_DROP_MS = 5_000, DROP_ANSWERS = 20;
/** … or after this long in any case. */
const STALLED_MS = 30_000;
/** A donor is too slow, if others wait for its place, below this share of the others' speed. */
const SLOW_SHARE = 0.25;

/** A donor that lied, stalled or went away in the middle. One that merely lacks the blob is not at fault. */
export interface DroppedDonor {
  readonly peer: PeerId;
  readonly reason: string;
}

export type Fetched =
  | { readonly ok: true; readonly dropped: readonly DroppedDonor[] }
  | { readonly ok: false; readonly reason: string; readonly dropped: readonly DroppedDonor[] };

export interface FetchOptions {
  /** Who should have it, the best first. */
  readonly donors: readonly PeerId[];
  /** Who may have it: asked when the donors have failed, or one by one when it takes long. */
  readonly others?: readonly PeerId[];
  readonly signal?: AbortSignal;
  readonly onProgress?: (heldBytes: number, sizeBytes: number) => void;
}

export interface Reader {
  readonly transport: Pick<Transport, "request" | "link">;
  readonly store: BlobStore;
  readonly clock?: Clock;
  /** Shared by all fetches of a peer; without it, this fetch starts with no experience. */
  readonly donors?: Donors;
}

/**
 * Fetches a blob into the store, unless it is there.
 * @throws {StorageError} if this peer's own disk refuses; what a donor does wrong is in the result.
 */
export function fetchBlob(reader: Reader, blob: BlobName, options: FetchOptions): Promise<Fetched> {
  return new BlobFetch(reader, blob, options).run();
}

/** One blob on its way. `run` once; `add` at any time. */
export class BlobFetch {
  readonly #transport: Pick<Transport, "request" | "link">;
  readonly #store: BlobStore;
  readonly #clock: Clock;
  readonly #donors: Donors;
  readonly #blob: BlobName;
  readonly #options: FetchOptions;
  /** Asked now. */
  readonly #sources = new Map<PeerId, Source>();
  /** To be asked, the best first. */
  #reserve: PeerId[] = [];
  readonly #failed = new Map<PeerId, { readonly reason: string; readonly isFault: boolean }>();
  readonly #tasks = new Set<Promise<void>>();
  readonly #stop = new AbortController();
  readonly #over = Promise.withResolvers<void>();
  #partial: PartialBlob | null = null;
  /** Null until there is a chunk list. */
  #chunks: ChunkCopies | null = null;
  #listsAsked = 0;
  #writes = 0;
  #heldBytes = 0;
  #admittedAtMs = 0;
  #reviewedAtMs = 0;
  #isOver = false;
  /** That no blob of this name has the size that was asked for; null unless a donor has proved it. */
  #falseSize: string | null = null;

  constructor({ transport, store, clock = systemClock, donors }: Reader, blob: BlobName, options: FetchOptions) {
    this.#transport = transport;
    this.#store = store;
    this.#clock = clock;
    this.#donors = donors ?? new Donors(clock);
    this.#blob = blob;
    this.#options = options;
  }

  /** Others who may have it by now. Who lacked it before, or was gone, is asked again. */
  add(peers: readonly PeerId[]): void {
    for (const peer of peers) {
      if (!this.#sources.has(peer) && !this.#reserve.includes(peer)) this.#reserve.push(peer);
    }
    if (this.#partial !== null) this.#step();
  }

  async run(): Promise<Fetched> {
    const { digest, sizeBytes } = this.#blob, { donors, others = [], signal } = this.#options;
    if (await this.#store.has(digest)) return { ok: true, dropped: [] };
    const partial = this.#partial = await this.#store.partial(digest, sizeBytes);
    const onAbort = (): void => this.#end();
    signal?.addEventListener("abort", onAbort);
    using _room = this.#donors.whenRoom(() => this.#step());
    this.#reviewedAtMs = this.#clock.now();
    let alarm = this.#clock.alarm(this.#clock.now() + REVIEW_MS, () => review());
    const review = (): void => {
      this.#review();
      alarm = this.#clock.alarm(this.#clock.now() + REVIEW_MS, review);
    };
    try {
      this.#reserve.unshift(...new Set([...donors, ...others]));
      for (let i = 0; i < donors.length; i++) this.#admit();
      this.#step();
      if (signal?.aborted) this.#end();
      await this.#over.promise;
    } finally {
      alarm[Symbol.dispose]();
      signal?.removeEventListener("abort", onAbort);
      this.#isOver = true;
      this.#stop.abort();
      for (const { copies } of this.#sources.values()) for (const { stop } of copies) stop.abort();
      await Promise.all(this.#tasks);
    }
    const dropped = this.#droppedDonors();
    if (!this.#chunks?.isComplete) return { ok: false, reason: this.#whyNot(), dropped };
    await partial.finish();
    return { ok: true, dropped };
  }

  #end(error?: unknown): void {
    this.#isOver = true;
    if (error === undefined) this.#over.resolve();
    else this.#over.reject(error);
  }

  /** Asks for all that there is room for, and ends when nothing is left to get or nobody to ask. */
  #step(): void {
    if (this.#isOver) return;
    if (this.#sources.size === 0) { while (this.#admit()); }
    if (this.#chunks?.isComplete || this.#sources.size === 0 && this.#writes === 0) return this.#end();
    if (this.#chunks === null) return this.#askForList();
    for (let asked = true; asked;) {
      asked = false;
      for (const source of this.#sources.values()) if (this.#askForPiece(source, this.#chunks)) asked = true;
    }
  }

  /** Takes in the next one to be asked, if there is one and a place for it. */
  #admit(): boolean {
    while (this.#sources.size < MOST_SOURCES) {
      const peer = this.#reserve.shift();
      if (peer === undefined) return false;
      const shunned = this.#donors.whyShunned(peer);
      if (shunned !== null) {
        this.#failed.set(peer, { reason: shunned, isFault: false });
        continue;
      }
      this.#admittedAtMs = this.#clock.now();
      this.#sources.set(peer, new Source(peer, this.#admittedAtMs));
      return true;
    }
    return false;
  }

  // —— the list ——

  /** Asks one source; `#review` asks another when that takes long. */
  #askForList(): void {
    if (this.#listsAsked > 0) return;
    const source = [...this.#sources.values()].find(({ listAsked }) => !listAsked);
    if (source !== undefined) this.#task(this.#fetchList(source));
  }

  async #fetchList(source: Source): Promise<void> {
    const { digest, sizeBytes } = this.#blob;
    source.listAsked = true;
    this.#listsAsked++;
    try {
      const bytes = await this.#request(source, null, this.#stop.signal);
      const list = decodeChunkList(bytes);
      if (list === null || await sha256(bytes) !== digest) {
        this.#shun(source, "sent a chunk list that is not this blob's");
      } else if (list.sizeBytes !== sizeBytes) { // the list is true to the name: whoever named the size lied, no donor
        this.#falseSize = `it has ${list.sizeBytes} bytes`;
        this.#end();
      } else if (this.#chunks === null) {
        await this.#begin(list);
      }
    } catch (error) {
      if (error instanceof StorageError) return this.#end(error);
      // Whoever is gone or late before it gave anything has broken no promise.
      const failure = failureOf(error);
      if (failure === "gone") this.#drop(source, "is not there", false);
      else if (failure === "refused") this.#drop(source, "does not have it", false);
      else this.#drop(source, reasonOf(error), failure !== "late");
    } finally {
      this.#listsAsked--;
    }
  }

  async #begin(list: ChunkList): Promise<void> {
    await this.#partial!.begin(list.chunks);
    const held = new Set(await this.#partial!.held());
    if (this.#chunks !== null) return; // two lists at once
    for (const index of held) this.#count(index);
    this.#chunks = new ChunkCopies(list.sizeBytes, list.chunks.map((_, i) => i).filter((index) => !held.has(index)));
  }

  // —— the chunks ——

  #askForPiece(source: Source, chunks: ChunkCopies): boolean {
    if (this.#writes >= MOST_WRITES) return false;
    const roomBytes = this.#donors.roomFor(source.peer);
    if (roomBytes === 0) return false;
    const copy = chunks.next(source, {
      nowMs: this.#clock.now(),
      isOverdue: (other) => this.#isOverdue(other),
    });
    if (copy === null) return false;
    this.#task(this.#pull(copy, copy.take(roomBytes)));
    return true;
  }

  async #pull(copy: Copy, piece: Piece): Promise<void> {
    const { source } = copy, length = piece.end - piece.start;
    const owed = { atMs: this.#clock.now() }, asking = this.#donors.ask(source.peer, length);
    source.owedSinceMs.add(owed);
    try {
      const bytes = await this.#request(source, piece, copy.stop.signal);
      source.owedSinceMs.delete(owed);
      asking.answered();
      if (copy.stop.signal.aborted) return;
      if (bytes.length !== length) {
        return this.#shun(source, `sent ${bytes.length} bytes where ${length} were asked for`);
      }
      copy.put(piece, bytes);
      source.give(length);
      if (copy.leftBytes === 0) await this.#keep(copy);
    } catch (error) {
      asking.failed();
      // Another donor gave the chunk: one that was overdue has not made up for it.
      if (!copy.stop.signal.aborted || !this.#isOverdue(source)) source.owedSinceMs.delete(owed);
      if (copy.stop.signal.aborted) return;
      const failure = failureOf(error);
      // A refusal says that the donor does not have it, or not any more.
      if (failure === "refused") this.#drop(source, "does not have it", false);
      else this.#drop(source, reasonOf(error), true);
    }
  }

  async #keep(copy: Copy): Promise<void> {
    this.#writes++;
    try {
      await this.#partial!.write(copy.index, copy.bytes);
      if (this.#chunks!.complete(copy.index)) this.#count(copy.index);
    } catch (error) {
      if (error instanceof StorageError) this.#end(error);
      else this.#shun(copy.source, `sent wrong bytes: ${reasonOf(error)}`);
    } finally {
      this.#writes--;
    }
  }

  #count(index: number): void {
    const { start, end } = chunkSpan(this.#blob.sizeBytes, index);
    this.#heldBytes += end - start;
    this.#options.onProgress?.(this.#heldBytes, this.#blob.sizeBytes);
  }

  // —— who is late ——

  #review(): void {
    if (this.#isOver) return;
    const nowMs = this.#clock.now(), sleptMs = nowMs - this.#reviewedAtMs;
    this.#reviewedAtMs = nowMs;
    if (sleptMs > SLEPT_MS) { for (const source of this.#sources.values()) source.forgive(sleptMs); }
    for (const source of [...this.#sources.values()]) {
      const owedMs = source.owedMs(nowMs);
      if (owedMs >= STALLED_MS) this.#shun(source, `was too slow: it owes an answer for ${seconds(owedMs)}`);
      else if (owedMs >= this.#dropAfterMs(source)) {
        this.#drop(source, `was too slow: it owes an answer for ${seconds(owedMs)}, and others gave theirs`, true);
      }
    }
    const isListLate = this.#chunks === null && nowMs - this.#admittedAtMs >= LEAST_OVERDUE_MS;
    const next = isListLate ? [...this.#sources.values()].find(({ listAsked }) => !listAsked) : undefined;
    if (next !== undefined) this.#task(this.#fetchList(next));
    if (nowMs - this.#admittedAtMs >= NEXT_SOURCE_MS && this.#reserve.length > 0) {
      if (this.#sources.size >= MOST_SOURCES) this.#retireSlowest(nowMs);
      this.#admit();
    }
    this.#step();
  }

  #isOverdue(source: Source): boolean {
    const usualMs = this.#donors.answerMs(source.peer) ?? 0;
    return source.owedMs(this.#clock.now()) > Math.max(LEAST_OVERDUE_MS, OVERDUE_ANSWERS * usualMs);
  }

  /** Only against others that give can one be too slow. */
  #dropAfterMs(source: Source): number {
    const others = [...this.#sources.values()].filter((other) => other !== source && other.hasGiven)
      .map(({ peer }) => this.#donors.answerMs(peer) ?? 0).sort((a, b) => a - b);
    if (others.length === 0) return Infinity;
    return Math.max(LEAST_DROP_MS, DROP_ANSWERS * others[Math.floor(others.length / 2)]!);
  }

  /** Whoever waits to be asked takes the place of one that is far slower than the others. */
  #retireSlowest(nowMs: number): void {
    const bySpeed = [...this.#sources.values()]
      .map((source) => ({ source, ms: source.expectMs(CHUNK_BYTES, nowMs) }))
      .sort((a, b) => a.ms - b.ms);
    const slowest = bySpeed.at(-1)!, middle = bySpeed[Math.floor(bySpeed.length / 2)]!;
    if (slowest.ms * SLOW_SHARE < middle.ms) return;
    this.#forget(slowest.source);
    this.#reserve.push(slowest.source.peer); // should the others fail
  }

  // —— failures ——

  /** The donor broke a promise: it is left alone by other fetches, too. */
  #shun(source: Source, reason: string): void {
    if (!this.#isOver && this.#sources.has(source.peer)) this.#donors.shun(source.peer, reason);
    this.#drop(source, reason, true);
  }

  /** The first reason counts: what fails after it may only be its consequence, and an abort is nobody's fault. */
  #drop(source: Source, reason: string, isFault: boolean): void {
    if (this.#isOver || this.#sources.get(source.peer) !== source) return;
    this.#failed.set(source.peer, { reason, isFault });
    this.#forget(source);
  }

  #forget(source: Source): void {
    this.#sources.delete(source.peer);
    for (const copy of source.copies) this.#chunks?.giveUp(copy);
  }

  #request(source: Source, piece: Piece | null, signal: AbortSignal): Promise<Uint8Array<ArrayBuffer>> {
    const request = encodeBlobRequest({ digest: this.#blob.digest, piece });
    return requestBulk(this.#transport, source.peer, BLOBS_PROTOCOL, request, { signal });
  }

  #task(work: Promise<void>): void {
    const task = work.catch((error: unknown) => this.#end(error)).finally(() => {
      this.#tasks.delete(task);
      this.#step();
    });
    this.#tasks.add(task);
  }

  #whyNot(): string {
    const what = `Cannot fetch blob ${this.#blob.digest} (${this.#heldBytes} of ${this.#blob.sizeBytes} bytes held)`;
    const why = this.#options.signal?.aborted
      ? "it was aborted"
      : this.#falseSize !== null
      ? this.#falseSize
      : this.#failed.size === 0
      ? "nobody is known to have it"
      : [...this.#failed].map(([peer, { reason }]) => `${peer} ${reason}`).join("; ");
    return `${what}: ${why}`;
  }

  #droppedDonors(): readonly DroppedDonor[] {
    return [...this.#failed].filter(([, { isFault }]) => isFault).map(([peer, { reason }]) => ({ peer, reason }));
  }
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}
