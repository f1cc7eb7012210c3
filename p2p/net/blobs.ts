/**
 * Fetching a blob: from many donors at once, chunk by chunk, each checked, over whatever happens to donors meanwhile.
 *
 * The reader pulls pieces, as many at once as the lines bear (`donors.ts`), so a slow reader slows its donors and
 * memory stays bounded on both sides. Nothing a donor says is believed: the chunk list is checked against the blob's
 * name and every chunk against the list. A chunk comes from one donor, so whoever sent wrong bytes is known; it is
 * named, and left alone for a while. Whom to ask, and who is too slow, is in `sources.ts`. What was fetched is kept,
 * through aborts, kills and restarts.
 * @module
 */
import { type Clock, systemClock } from "../clock.ts";
import { reasonOf } from "../reason.ts";
import type { BlobStore, PartialBlob } from "../store/blob_store.ts";
import { type ChunkList, chunkSpan, decodeChunkList, sha256 } from "../store/chunks.ts";
import { StorageError } from "../store/storage_error.ts";
import type { BlobName, PeerId } from "../sync/types.ts";
import { BLOBS_PROTOCOL, encodeBlobRequest, type Piece } from "./blob_requests.ts";
import { ChunkCopies, type Copy, type Source } from "./chunk_copies.ts";
import { Donors } from "./donors.ts";
import { requestBulk } from "./relay.ts";
import { type DroppedDonor, Sources } from "./sources.ts";
import type { Transport } from "./transport.ts";
import { failureOf } from "./transport_error.ts";

/** Chunks that wait for the disk; while there are more, nothing is asked for. */
const MOST_WRITES = 16;
/** How often a fetch looks who is late. */
const REVIEW_MS = 250;
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
  readonly #sources: Sources;
  readonly #tasks = new Set<Promise<void>>();
  readonly #stop = new AbortController();
  readonly #over = Promise.withResolvers<void>();
  #partial: PartialBlob | null = null;
  /** Null until there is a chunk list. */
  #chunks: ChunkCopies | null = null;
  #listsAsked = 0;
  #writes = 0;
  #heldBytes = 0;
  #isOver = false;
  /** That no blob of this name has the size that was asked for; null unless a donor has proved it. */
  #falseSize: string | null = null;

  constructor({ transport, store, clock = systemClock, donors }: Reader, blob: BlobName, options: FetchOptions) {
    this.#transport = transport;
    this.#store = store;
    this.#clock = clock;
    this.#donors = donors ?? new Donors(clock);
    this.#sources = new Sources({
      clock,
      donors: this.#donors,
      onForget: ({ copies }) => copies.forEach((copy) => this.#chunks?.giveUp(copy)),
    });
    this.#blob = blob;
    this.#options = options;
  }

  /** Others who may have it by now. Who lacked it before, or was gone, is asked again. */
  add(peers: readonly PeerId[]): void {
    this.#sources.add(peers);
    if (this.#partial !== null) this.#step();
  }

  async run(): Promise<Fetched> {
    const { digest, sizeBytes } = this.#blob, { donors, others = [], signal } = this.#options;
    if (await this.#store.has(digest)) return { ok: true, dropped: [] };
    const partial = this.#partial = await this.#store.partial(digest, sizeBytes);
    const onAbort = (): void => this.#end();
    signal?.addEventListener("abort", onAbort);
    using _room = this.#donors.whenRoom(() => this.#step());
    let alarm = this.#clock.alarm(this.#clock.now() + REVIEW_MS, () => review());
    const review = (): void => {
      this.#review();
      alarm = this.#clock.alarm(this.#clock.now() + REVIEW_MS, review);
    };
    try {
      this.#sources.begin(new Set([...donors, ...others]));
      for (let i = 0; i < donors.length; i++) this.#sources.admit();
      this.#step();
      if (signal?.aborted) this.#end();
      await this.#over.promise;
    } finally {
      alarm[Symbol.dispose]();
      signal?.removeEventListener("abort", onAbort);
      this.#end();
      this.#stop.abort();
      for (const { copies } of this.#sources) for (const { stop } of copies) stop.abort();
      await Promise.all(this.#tasks);
    }
    const dropped = this.#sources.dropped();
    if (!this.#chunks?.isComplete) return { ok: false, reason: this.#whyNot(), dropped };
    await partial.finish();
    return { ok: true, dropped };
  }

  #end(error?: unknown): void {
    this.#isOver = true;
    this.#sources.close();
    if (error === undefined) this.#over.resolve();
    else this.#over.reject(error);
  }

  /** Asks for all that there is room for, and ends when nothing is left to get or nobody to ask. */
  #step(): void {
    if (this.#isOver) return;
    if (this.#sources.count === 0) { while (this.#sources.admit()); }
    if (this.#chunks?.isComplete || this.#sources.count === 0 && this.#writes === 0) return this.#end();
    if (this.#chunks === null) return this.#askForList();
    for (let asked = true; asked;) {
      asked = false;
      for (const source of this.#sources) if (this.#askForPiece(source, this.#chunks)) asked = true;
    }
  }

  // —— the list ——

  /** Asks one source; `#review` asks another when that takes long. */
  #askForList(): void {
    if (this.#listsAsked > 0) return;
    const source = this.#sources.withoutList();
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
        this.#sources.shun(source, "sent a chunk list that is not this blob's");
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
      if (failure === "gone") this.#sources.drop(source, "is not there", false);
      else if (failure === "refused") this.#sources.drop(source, "does not have it", false);
      else this.#sources.drop(source, reasonOf(error), failure !== "late");
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
      isOverdue: (other) => this.#sources.isOverdue(other),
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
        return this.#sources.shun(source, `sent ${bytes.length} bytes where ${length} were asked for`);
      }
      copy.put(piece, bytes);
      source.give(length);
      if (copy.leftBytes === 0) await this.#keep(copy);
    } catch (error) {
      asking.failed();
      // Another donor gave the chunk: one that was overdue has not made up for it.
      if (!copy.stop.signal.aborted || !this.#sources.isOverdue(source)) source.owedSinceMs.delete(owed);
      if (copy.stop.signal.aborted) return;
      const failure = failureOf(error);
      // A refusal says that the donor does not have it, or not any more.
      if (failure === "refused") this.#sources.drop(source, "does not have it", false);
      else this.#sources.drop(source, reasonOf(error), true);
    }
  }

  async #keep(copy: Copy): Promise<void> {
    this.#writes++;
    try {
      await this.#partial!.write(copy.index, copy.bytes);
      if (this.#chunks!.complete(copy.index)) this.#count(copy.index);
    } catch (error) {
      if (error instanceof StorageError) this.#end(error);
      else this.#sources.shun(copy.source, `sent wrong bytes: ${reasonOf(error)}`);
    } finally {
      this.#writes--;
    }
  }

  #count(index: number): void {
    const { start, end } = chunkSpan(this.#blob.sizeBytes, index);
    this.#heldBytes += end - start;
    this.#options.onProgress?.(this.#heldBytes, this.#blob.sizeBytes);
  }

  /** Looks who is late. */
  #review(): void {
    if (this.#isOver) return;
    this.#sources.dropLate();
    const next = this.#chunks === null && this.#sources.isListLate ? this.#sources.withoutList() : undefined;
    if (next !== undefined) this.#task(this.#fetchList(next));
    this.#sources.admitInTime();
    this.#step();
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
      : this.#sources.whyNobody();
    return `${what}: ${why}`;
  }
}
