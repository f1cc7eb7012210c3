/**
 * Where blobs are kept: contributions, snapshots, data shards, each under its digest.
 *
 * **The digest of a blob** is the SHA-256 of its chunk list: the SHA-256 of every chunk of `CHUNK_BYTES`, in order, and
 * then its size as 8 bytes little-endian. So one small list, checked against the name, lets every chunk be fetched from
 * anybody, checked alone and kept (`chunks.ts`). Two providers, `memory.ts` and `disk.ts`, pass one suite.
 * @module
 */
import type { BlobName, Digest } from "../sync/types.ts";

export const CHUNK_BYTES = 256 * 1024;

/** Blobs by digest. */
export interface BlobStore {
  has(digest: Digest): Promise<boolean>;
  /** Stores whole bytes, in shared memory or not, and returns their name; nobody may change them meanwhile. Durable when it resolves (on disk: written, synced, renamed). */
  put(bytes: Uint8Array): Promise<Digest>;
  /** The bytes, verified against the digest, or null if absent or damaged (then it is dropped). */
  get(digest: Digest): Promise<Uint8Array<ArrayBuffer> | null>;
  /**
   * Reads a whole blob into memory of its size, shared or not, verified against the digest; several arrays are filled one
   * after another. False if it is absent, of another size, or damaged (then it is dropped); then anything may be in there.
   */
  read(digest: Digest, ...into: readonly Uint8Array[]): Promise<boolean>;
  /** A part of a stored blob, or null. Not verified: the reader checks chunks. */
  slice(digest: Digest, start: number, end: number): Promise<Uint8Array<ArrayBuffer> | null>;
  sizeOf(digest: Digest): Promise<number | null>;
  /**
   * The encoded chunk list of a stored blob (`chunks.ts`), by which whoever fetches it checks it, or null. It was
   * verified once, when the blob was stored or first asked about: the reader notices what the disk has done since.
   */
  chunkList(digest: Digest): Promise<Uint8Array<ArrayBuffer> | null>;
  delete(digest: Digest): Promise<void>;
  /** Every blob stored, sorted. */
  list(): Promise<readonly Digest[]>;
  /** Blobs of which some chunks may be held, sorted, with what they take or, once whole, will; `delete` forgets those, too. */
  partials(): Promise<readonly BlobName[]>;
  /**
   * A place for the chunks of a blob that is being fetched; what it already holds survives a restart on disk.
   * `finish` verifies the whole and makes it readable under its digest.
   */
  partial(digest: Digest, sizeBytes: number): Promise<PartialBlob>;
}

/** A blob of which some chunks are held. */
export interface PartialBlob {
  /** Indices of chunks held and verified against the list given to `begin`. */
  held(): Promise<readonly number[]>;
  /** Gives the checked chunk list; chunks held from before that do not fit it are dropped. */
  begin(chunkDigests: readonly Digest[]): Promise<void>;
  /** @throws {Error} if the bytes are not the chunk's. */
  write(index: number, bytes: Uint8Array<ArrayBuffer>): Promise<void>;
  finish(): Promise<void>;
}
