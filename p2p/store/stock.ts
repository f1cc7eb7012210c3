/**
 * A peer's blobs within a bound: before it grows beyond it, or when the disk is full, it lets go what it can spare.
 *
 * Blobs that were named to it with their use can be spared in this order: chunks of blobs that nobody fetches any more,
 * contributions from the oldest round on, weights from the oldest round on. The contributions of the last rounds, the
 * last two states, and what was not named are never spared: then it says what is full. What was spared and is wanted
 * after all is fetched again, like anything that is not there.
 * @module
 */
import type { Digest } from "../sync/types.ts";
import type { BlobStore, PartialBlob } from "./blob_store.ts";
import { chunkSpan } from "./chunks.ts";
import { StorageError } from "./storage_error.ts";

/** Rounds whose contributions are not spared: those that the next records may count. */
const ROUNDS_NEEDED = 2;
/** States not spared: the head's, and its parent's for a fold that is under way or turns out damaged. */
const STATES_NEEDED = 2;

/** What a blob is for. */
export interface BlobUse {
  readonly kind: "contribution" | "weights";
  readonly round: number;
}

export interface StockOptions {
  /** Bytes of blobs and of chunks, together. */
  readonly mostBytes: number;
  /** Told what had to go, and why. */
  readonly onSpared: (spared: { readonly blobs: number; readonly bytes: number; readonly reason: string }) => void;
}

export class Stock implements BlobStore {
  readonly #store: BlobStore;
  readonly #options: StockOptions;
  readonly #uses = new Map<Digest, BlobUse>();
  /** Blobs being fetched. */
  readonly #fetching = new Set<Digest>();

  constructor(store: BlobStore, options: StockOptions) {
    this.#store = store;
    this.#options = options;
  }

  /** Says what a blob is for, stored or not yet. A blob used twice keeps the later use. */
  name(digest: Digest, use: BlobUse): void {
    if ((this.#uses.get(digest)?.round ?? -1) <= use.round) this.#uses.set(digest, use);
  }

  /** Drops blobs that are neither named nor listed here: what a crash left behind. Chunks stay, to go on with them. */
  async dropUnnamed(keep: readonly Digest[]): Promise<void> {
    const kept = new Set(keep);
    for (const digest of await this.#store.list()) {
      if (!this.#uses.has(digest) && !kept.has(digest)) await this.#store.delete(digest);
    }
  }

  has(digest: Digest): Promise<boolean> {
    return this.#store.has(digest);
  }

  async put(bytes: Uint8Array<ArrayBuffer>): Promise<Digest> {
    return await this.#withRoom(bytes.length, () => this.#store.put(bytes));
  }

  get(digest: Digest): Promise<Uint8Array<ArrayBuffer> | null> {
    return this.#store.get(digest);
  }

  slice(digest: Digest, start: number, end: number): Promise<Uint8Array<ArrayBuffer> | null> {
    return this.#store.slice(digest, start, end);
  }

  sizeOf(digest: Digest): Promise<number | null> {
    return this.#store.sizeOf(digest);
  }

  async delete(digest: Digest): Promise<void> {
    this.#uses.delete(digest);
    this.#fetching.delete(digest);
    await this.#store.delete(digest);
  }

  list(): Promise<readonly Digest[]> {
    return this.#store.list();
  }

  partials(): Promise<readonly Digest[]> {
    return this.#store.partials();
  }

  usedBytes(): Promise<number> {
    return this.#store.usedBytes();
  }

  async partial(digest: Digest, sizeBytes: number): Promise<PartialBlob> {
    this.#fetching.add(digest);
    const isBegun = (await this.#store.partials()).includes(digest);
    const partial = isBegun
      ? await this.#store.partial(digest, sizeBytes)
      : await this.#withRoom(sizeBytes, () => this.#store.partial(digest, sizeBytes));
    return {
      held: () => partial.held(),
      begin: (chunks) => partial.begin(chunks),
      write: (index, bytes) => {
        const { start, end } = chunkSpan(sizeBytes, index);
        return this.withSpace(end - start, () => partial.write(index, bytes));
      },
      finish: async () => {
        await this.withSpace(0, () => partial.finish());
        this.#fetching.delete(digest);
      },
    };
  }

  /** A fetch has ended: what chunks it brought stay, but can be spared. What came to nothing has no use any more. */
  rest(digest: Digest): void {
    if (this.#fetching.delete(digest)) this.#uses.delete(digest);
  }

  /**
   * Does work that writes so many bytes to the same disk; if that is full, spares blobs and does it once more.
   * @throws {StorageError} if it still is.
   */
  async withSpace<T>(bytes: number, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof StorageError && error.isFull)) throw error;
      if (!await this.#spare(Math.max(bytes, 1), "the disk is full")) throw error;
      return await work();
    }
  }

  async #withRoom<T>(bytes: number, work: () => Promise<T>): Promise<T> {
    const { mostBytes } = this.#options;
    if (mostBytes < Infinity) {
      const overBytes = await this.#store.usedBytes() + bytes - mostBytes;
      if (overBytes > 0 && !await this.#spare(overBytes, "this peer's blobs would take more than it may use")) {
        throw new StorageError(
          `Cannot store a blob of ${megabytes(bytes)}: this peer may use ${
            megabytes(mostBytes)
          } for blobs, and all of ` +
            "them are needed. Let it use more with --disk-gb.",
          { isFull: true },
        );
      }
    }
    return await this.withSpace(bytes, work);
  }

  /** Whether so many bytes could be freed. */
  async #spare(bytes: number, reason: string): Promise<boolean> {
    let freedBytes = 0, blobs = 0;
    for (const digest of await this.#sparable()) {
      if (freedBytes >= bytes) break;
      const before = await this.#store.usedBytes();
      await this.#store.delete(digest);
      freedBytes += before - await this.#store.usedBytes();
      blobs++;
    }
    if (blobs > 0) this.#options.onSpared({ blobs, bytes: freedBytes, reason });
    return freedBytes >= bytes;
  }

  /** What can go, first to go first. */
  async #sparable(): Promise<readonly Digest[]> {
    const stored = (await this.#store.list()).flatMap((digest) => {
      const use = this.#uses.get(digest);
      return use === undefined ? [] : [{ digest, ...use }];
    }).sort((a, b) => a.round - b.round);
    const lastRound = Math.max(0, ...[...this.#uses.values()].map(({ round }) => round));
    const contributions = stored.filter(({ kind, round }) =>
      kind === "contribution" && round <= lastRound - ROUNDS_NEEDED
    );
    const weights = stored.filter(({ kind }) => kind === "weights").slice(0, -STATES_NEEDED);
    const chunks = (await this.#store.partials()).filter((digest) => !this.#fetching.has(digest));
    return [...chunks, ...contributions.map(({ digest }) => digest), ...weights.map(({ digest }) => digest)];
  }
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}
