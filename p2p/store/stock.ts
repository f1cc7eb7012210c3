/**
 * A peer's blobs within a bound: before it grows beyond it, or when the disk is full, it lets go what it can spare.
 *
 * How much there is it counts: read once from the store, when it is opened, and kept by every change, since nobody else
 * writes there. What may go is in `uses.ts`, after chunks that nobody fetches any more. What is certainly needed (weights,
 * our own contributions, those that a record counts, the journal) may also take the room of contributions that no record
 * counts yet, even while those are fetched, and those of members that of strangers'; none takes that of its equals. If
 * that is not enough it says what is full, and lets nothing go in vain. What was spared and is wanted after all is
 * fetched again, like anything that is not there.
 * @module
 */
import type { BlobName, Digest } from "../sync/types.ts";
import type { BlobStore, PartialBlob } from "./blob_store.ts";
import { chunkSpan } from "./chunks.ts";
import { Gate } from "./gate.ts";
import { Sizes } from "./sizes.ts";
import { StorageError } from "./storage_error.ts";
import { type BlobUse, type Need, type Standing, Uses } from "./uses.ts";

/** Unfinished blobs that nobody fetches and that are kept; the one that rested first goes. */
const MOST_RESTING = 64;

export interface StockOptions {
  /** Bytes of blobs and of chunks, together. */
  readonly mostBytes: number;
  /** Blobs of the run itself, which may lie in the same store: they stay, whatever anybody names them for. */
  readonly runBlobs?: readonly Digest[];
  /** Told what had to go, and why. */
  readonly onSpared: (spared: { readonly blobs: number; readonly bytes: number; readonly reason: string }) => void;
}

/** Opens the stock of a store, which is its own from then on. */
export async function openStock(store: BlobStore, options: StockOptions): Promise<Stock> {
  const blobs: BlobName[] = [];
  for (const digest of await store.list()) blobs.push({ digest, sizeBytes: await store.sizeOf(digest) ?? 0 });
  return new Stock(store, options, { blobs, partials: await store.partials() });
}

interface Held {
  readonly blobs: readonly BlobName[];
  readonly partials: readonly BlobName[];
}

/** A blob being fetched. */
interface OpenBlob {
  readonly gate: Gate;
  /** Whether some chunk is here. */
  hasChunks: boolean;
}

export class Stock implements BlobStore {
  readonly #store: BlobStore;
  readonly #options: StockOptions;
  readonly #runBlobs: ReadonlySet<Digest>;
  readonly #uses = new Uses();
  readonly #blobs: Sizes;
  /** Of unfinished blobs, at the size that they will have. */
  readonly #partials: Sizes;
  readonly #open = new Map<Digest, OpenBlob>();
  /** Of blobs that are being put. */
  #promisedBytes = 0;
  #lastTurn: Promise<unknown> = Promise.resolve();

  constructor(store: BlobStore, options: StockOptions, { blobs, partials }: Held) {
    this.#store = store;
    this.#options = options;
    this.#runBlobs = new Set(options.runBlobs);
    this.#blobs = new Sizes(blobs);
    this.#partials = new Sizes(partials);
  }

  /** Bytes of blobs, and those that what is being fetched will take once it is whole. */
  get usedBytes(): number {
    return this.#blobs.totalBytes + this.#partials.totalBytes + this.#promisedBytes;
  }

  /** Says on which state this peer stands: what is old is so by its round. */
  stand(head: Standing): void {
    this.#uses.stand(head);
  }

  /** Says what a blob is for, stored or not yet. */
  name(digest: Digest, use: BlobUse): void {
    if (!this.#runBlobs.has(digest)) this.#uses.name(digest, use);
  }

  /** Drops blobs that are neither named nor listed here: what a crash left behind. Chunks stay, to go on with them. */
  async dropUnnamed(keep: readonly Digest[]): Promise<void> {
    for (const digest of [...this.#blobs.digests()]) {
      if (!this.#uses.isNamed(digest) && !keep.includes(digest)) await this.delete(digest);
    }
  }

  has(digest: Digest): Promise<boolean> {
    return this.#store.has(digest);
  }

  async put(bytes: Uint8Array): Promise<Digest> {
    await this.#inTurn(async () => {
      await this.#makeRoom(bytes.length, "certain");
      this.#promisedBytes += bytes.length;
    });
    let digest: Digest;
    try {
      digest = await this.withSpace(bytes.length, () => this.#store.put(bytes));
    } finally {
      this.#promisedBytes -= bytes.length;
    }
    this.#blobs.set(digest, bytes.length);
    return digest;
  }

  get(digest: Digest): Promise<Uint8Array<ArrayBuffer> | null> {
    return this.#verified(digest, this.#store.get(digest));
  }

  async read(digest: Digest, ...into: readonly Uint8Array[]): Promise<boolean> {
    return await this.#verified(digest, this.#store.read(digest, ...into).then((isRead) => isRead || null)) ?? false;
  }

  chunkList(digest: Digest): Promise<Uint8Array<ArrayBuffer> | null> {
    return this.#verified(digest, this.#store.chunkList(digest));
  }

  slice(digest: Digest, start: number, end: number): Promise<Uint8Array<ArrayBuffer> | null> {
    return this.#store.slice(digest, start, end);
  }

  sizeOf(digest: Digest): Promise<number | null> {
    return this.#store.sizeOf(digest);
  }

  async delete(digest: Digest): Promise<void> {
    if (this.#runBlobs.has(digest)) return;
    this.#uses.forget(digest);
    await this.#inTurn(() => this.#drop(digest));
  }

  list(): Promise<readonly Digest[]> {
    return this.#store.list();
  }

  partials(): Promise<readonly BlobName[]> {
    return this.#store.partials();
  }

  async partial(digest: Digest, sizeBytes: number): Promise<PartialBlob> {
    const known = this.#open.get(digest), open = known ?? { gate: new Gate(), hasChunks: false }, { gate } = open;
    this.#open.set(digest, open);
    await this.#inTurn(() =>
      gate.pass(() => {
        if (open !== known) open.hasChunks = this.#partials.of(digest) > 0; // from before
        return this.#reserve(digest, sizeBytes);
      })
    );
    const partial = await gate.pass(() => this.#store.partial(digest, sizeBytes));
    const write = (bytes: number, work: () => Promise<void>): Promise<void> =>
      this.#withSpace(bytes, { digest, gate }, () => gate.pass(work));
    return {
      held: () => partial.held(),
      begin: (chunks) => gate.pass(() => partial.begin(chunks)),
      write: (index, bytes) => {
        const { start, end } = chunkSpan(sizeBytes, index);
        return write(end - start, async () => {
          await partial.write(index, bytes);
          open.hasChunks = true;
        });
      },
      finish: () =>
        write(0, async () => {
          await partial.finish();
          this.#partials.remove(digest);
          this.#blobs.set(digest, sizeBytes);
          this.#open.delete(digest);
        }),
    };
  }

  /** A fetch has ended: what chunks it brought stay, but can be spared. What came to nothing has no use any more. */
  async rest(digest: Digest): Promise<void> {
    const open = this.#open.get(digest);
    if (open === undefined) return;
    this.#open.delete(digest);
    this.#uses.forget(digest);
    await this.#inTurn(async () => {
      if (!open.hasChunks) return void await this.#remove(digest);
      this.#partials.set(digest, this.#partials.remove(digest)); // now the last to go
      const resting = this.#resting();
      for (const oldest of resting.slice(0, Math.max(0, resting.length - MOST_RESTING))) await this.#remove(oldest);
    });
  }

  /**
   * Does work that writes so many bytes to the same disk; if that is full, spares blobs and does it once more.
   * @throws {StorageError} if it still is.
   */
  withSpace<T>(bytes: number, work: () => Promise<T>): Promise<T> {
    return this.#withSpace(bytes, null, work);
  }

  /** @param fetched What is being fetched; null for what is needed in any case. */
  async #withSpace<T>(
    bytes: number,
    fetched: { readonly digest: Digest; readonly gate: Gate } | null,
    work: () => Promise<T>,
  ): Promise<T> {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof StorageError && error.isFull) || fetched?.gate.isShut) throw error;
      const need = fetched === null ? "certain" : this.#uses.needOf(fetched.digest), missing = Math.max(bytes, 1);
      const isSpared = await this.#inTurn(() =>
        this.#spare((freed) => missing - freed, { need, reason: "the disk is full" })
      );
      if (!isSpared) throw error;
      return await work();
    }
  }

  /** What the store has read and verified of a blob. If that is null and the blob is not there any more, it was damaged. */
  async #verified<T>(digest: Digest, read: Promise<T | null>): Promise<T | null> {
    const found = await read;
    if (found !== null || !this.#blobs.has(digest) || await this.#store.has(digest)) return found;
    await this.#inTurn(() => this.#drop(digest));
    return null;
  }

  /** Counts an unfinished blob at its size. In turn. */
  async #reserve(digest: Digest, sizeBytes: number): Promise<void> {
    const heldBytes = this.#partials.of(digest);
    if (sizeBytes <= heldBytes) return;
    await this.#makeRoom(sizeBytes - heldBytes, this.#uses.needOf(digest));
    this.#partials.set(digest, sizeBytes);
  }

  /** Has room for so many bytes more within the bound. In turn. */
  async #makeRoom(bytes: number, need: Need): Promise<void> {
    const { mostBytes } = this.#options, overBytes = (): number => this.usedBytes + bytes - mostBytes;
    const reason = "this peer's blobs would take more than it may use";
    if (overBytes() <= 0 || await this.#spare(overBytes, { need, reason })) return;
    const why = need === "certain" ? "all of them are needed" : "none of them can be spared for it";
    throw new StorageError(
      `Cannot store a blob of ${megabytes(bytes)}: this peer may use ${megabytes(mostBytes)} for blobs, and ${why}. ` +
        "Let it use more with --disk-gb.",
      { isFull: true },
    );
  }

  /** Lets go what can be spared until nothing is missing; if there is not enough of it, nothing. In turn. */
  async #spare(
    missingBytes: (freedBytes: number) => number,
    { need, reason }: { readonly need: Need; readonly reason: string },
  ): Promise<boolean> {
    const sparable = this.#sparable(need);
    const mostBytes = sparable.reduce((sum, digest) => sum + this.#blobs.of(digest) + this.#partials.of(digest), 0);
    if (mostBytes < missingBytes(0)) return false;
    let freedBytes = 0, blobs = 0;
    for (const digest of sparable) {
      if (missingBytes(freedBytes) <= 0) break;
      freedBytes += await this.#drop(digest);
      blobs++;
    }
    if (blobs > 0) this.#options.onSpared({ blobs, bytes: freedBytes, reason });
    return missingBytes(freedBytes) <= 0;
  }

  /** What can go, the first to go first. */
  #sparable(need: Need): readonly Digest[] {
    const past = this.#uses.past(this.#blobs.digests()).filter((digest) => !this.#open.has(digest));
    const less = this.#uses.below(need, [...this.#partials.digests(), ...this.#blobs.digests()]);
    return [...new Set([...this.#resting(), ...past, ...less])];
  }

  /** Unfinished blobs that nobody fetches, the first to rest first. */
  #resting(): readonly Digest[] {
    return [...this.#partials.digests()].filter((digest) => !this.#open.has(digest));
  }

  /** Ends the fetch of a blob and deletes what there is of it. Returns how many bytes that freed. In turn. */
  async #drop(digest: Digest): Promise<number> {
    const open = this.#open.get(digest);
    this.#open.delete(digest);
    await open?.gate.shut();
    return await this.#remove(digest);
  }

  async #remove(digest: Digest): Promise<number> {
    await this.#store.delete(digest);
    return this.#blobs.remove(digest) + this.#partials.remove(digest);
  }

  /** One at a time: two that make room at once would take each other's. No turn waits for another. */
  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#lastTurn.then(work);
    this.#lastTurn = turn.catch(() => {}); // whoever waits for it hears
    return turn;
  }
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}
