/**
 * Blobs between peers: each serves what it holds, and pulls what it lacks, chunk by chunk, from several donors.
 *
 * The reader pulls: it asks for one chunk at a time on a few requests at once, so a slow reader slows its donors, memory
 * stays bounded on both sides, and what was fetched before a crash is kept. Nothing a donor says is believed: the chunk
 * list is checked against the blob's name and every chunk against the list.
 *
 * A request is a byte (0 the chunk list, 1 a chunk), the digest's 32 bytes and, for a chunk, its index as 4 bytes
 * big-endian. The answer is the bare bytes; a peer that lacks the blob refuses.
 * @module
 */
import { fromString, toString } from "uint8arrays";
import { type BlobStore, CHUNK_BYTES, type PartialBlob } from "../store/blob_store.ts";
import {
  type ChunkList,
  chunkListDigest,
  chunkSpan,
  decodeChunkList,
  encodeChunkList,
  sha256,
} from "../store/chunks.ts";
import { StorageError } from "../store/storage_error.ts";
import type { BlobName, Digest, PeerId } from "../sync/types.ts";
import { Deadline } from "./deadline.ts";
import { requestBulk, serveRelay } from "./relay.ts";
import type { RequestHandler, Transport } from "./transport.ts";
import { TransportError, type TransportFailure } from "./transport_error.ts";

const PROTOCOL = "blobs/1";
const ASK_LIST = 0, ASK_CHUNK = 1;
const DIGEST_BYTES = 32;
/** Chunks asked of one donor at a time, and of all of them. */
const MOST_PER_DONOR = 2, MOST_IN_FLIGHT = 8;
/** A donor that takes longer for one answer is dropped. */
const SLOW_MS = 30_000;
/**
 * A relay that is fetching a blob itself lets a reader of it wait so long, so that the author sends it once. It is well
 * under what a reader takes for slow.
 */
const RELAY_PATIENCE_MS = 15_000;
/** Chunk lists remembered by a server. */
const MOST_LISTS = 32;

/** A donor that lied, stalled or went away in the middle. One that merely lacks the blob is not at fault. */
export interface DroppedDonor {
  readonly peer: PeerId;
  readonly reason: string;
}

export type Fetched =
  | { readonly ok: true; readonly dropped: readonly DroppedDonor[] }
  | { readonly ok: false; readonly reason: string; readonly dropped: readonly DroppedDonor[] };

export interface FetchOptions {
  /** Who should have it, the best first: all of them are asked at once. */
  readonly donors: readonly PeerId[];
  /** Who may have it: asked one after the other, and only when the donors have failed. */
  readonly others?: readonly PeerId[];
  readonly signal?: AbortSignal;
  readonly onProgress?: (heldBytes: number, sizeBytes: number) => void;
  /** How long one answer may take. */
  readonly slowMs?: number;
}

/** What a peer does for two others that cannot reach each other. */
export interface BlobRelay {
  /** Settles when this peer's own fetch of a blob ends; null if it fetches none. */
  readonly underWay: (digest: Digest) => Promise<unknown> | null;
  /** Told of every answer that went to a peer in another's stead. */
  readonly onRelayed: (bytes: number) => void;
}

/** Answers other peers' requests from the store, until the transport closes. Gives what it answers with. */
export function serveBlobs(transport: Pick<Transport, "onRequest">, store: BlobStore): RequestHandler {
  const answer = answersFrom(store);
  transport.onRequest(PROTOCOL, answer);
  return answer;
}

/** Serves peers that cannot reach who they want to ask, until the transport closes. */
export function relayBlobs(transport: Transport, answer: RequestHandler, { underWay, onRelayed }: BlobRelay): void {
  serveRelay({
    transport,
    name: PROTOCOL,
    onRelayed,
    async answer(from, request) {
      const asked = parseRequest(request), coming = asked === null ? null : underWay(asked.digest);
      if (coming !== null) {
        using patience = new Deadline(RELAY_PATIENCE_MS);
        await Promise.race([coming, new Promise((resolve) => patience.signal.addEventListener("abort", resolve))]);
      }
      return await answer(from, request);
    },
  });
}

function answersFrom(store: BlobStore): RequestHandler {
  const lists = new Map<Digest, Promise<ChunkList | null>>();
  const listOf = (digest: Digest): Promise<ChunkList | null> => {
    const list = lists.get(digest) ?? hashStored(store, digest);
    lists.delete(digest);
    lists.set(digest, list); // the last asked for is the last forgotten
    for (const oldest of lists.keys()) {
      if (lists.size <= MOST_LISTS) break;
      lists.delete(oldest);
    }
    return list;
  };
  return async (_, request) => {
    const asked = parseRequest(request);
    if (asked === null) return null;
    if (asked.index !== null) {
      return await store.slice(asked.digest, asked.index * CHUNK_BYTES, (asked.index + 1) * CHUNK_BYTES);
    }
    const list = await listOf(asked.digest);
    if (list === null) lists.delete(asked.digest); // it may be stored later
    return list === null ? null : encodeChunkList(list);
  };
}

/**
 * Fetches a blob into the store, unless it is there.
 * @throws {StorageError} if this peer's own disk refuses; what a donor does wrong is in the result.
 */
export async function fetchBlob(
  { transport, store }: { readonly transport: Transport; readonly store: BlobStore },
  blob: BlobName,
  options: FetchOptions,
): Promise<Fetched> {
  if (await store.has(blob.digest)) return { ok: true, dropped: [] };
  return await new Fetch(transport, await store.partial(blob.digest, blob.sizeBytes), blob, options).run();
}

/** One chunk of a blob as a peer gives it, unverified: for measuring a line. @throws {TransportError} */
export function askChunk(
  transport: Transport,
  peer: PeerId,
  digest: Digest,
  index: number,
): Promise<Uint8Array<ArrayBuffer>> {
  return requestBulk(transport, peer, PROTOCOL, encodeRequest(digest, index));
}

/** One blob on its way. */
class Fetch {
  readonly #transport: Transport;
  readonly #partial: PartialBlob;
  readonly #blob: BlobName;
  readonly #options: FetchOptions;
  readonly #dropped = new Map<PeerId, string>();
  /** Asked in vain, and not to blame. */
  readonly #lacking = new Map<PeerId, string>();
  #hasList = false;
  /** Indices not held and not asked for. */
  #waiting: number[] = [];
  #inFlight = 0;
  #heldBytes = 0;
  /** Wakes workers that wait for a chunk to be given back or for the last one to arrive. */
  #wake = Promise.withResolvers<void>();

  constructor(transport: Transport, partial: PartialBlob, blob: BlobName, options: FetchOptions) {
    this.#transport = transport;
    this.#partial = partial;
    this.#blob = blob;
    this.#options = options;
  }

  async run(): Promise<Fetched> {
    const { donors, others = [] } = this.#options;
    for (const group of [donors, ...others.map((peer) => [peer])]) {
      if (!await this.#pullFrom(group)) continue;
      await this.#partial.finish();
      return { ok: true, dropped: this.#droppedDonors() };
    }
    return this.#failed();
  }

  /** Whether every chunk is there after these donors have given what they can. */
  async #pullFrom(group: readonly PeerId[]): Promise<boolean> {
    if (!this.#hasList) {
      const list = await this.#fetchList(group);
      if (list === null) return false;
      await this.#begin(list);
    }
    const donors = group.filter((donor) => this.#mayAsk(donor)).slice(0, MOST_IN_FLIGHT);
    const workersEach = Math.min(MOST_PER_DONOR, Math.ceil(MOST_IN_FLIGHT / Math.max(1, donors.length)));
    const workers = Array.from({ length: workersEach }, () => donors).flat();
    const ended = await Promise.allSettled(workers.map((donor) => this.#work(donor)));
    for (const worker of ended) if (worker.status === "rejected") throw worker.reason;
    return this.#waiting.length === 0;
  }

  async #begin(list: ChunkList): Promise<void> {
    this.#hasList = true;
    await this.#partial.begin(list.chunks);
    const held = new Set(await this.#partial.held());
    this.#waiting = list.chunks.map((_, index) => index).filter((index) => !held.has(index));
    for (const index of held) this.#count(index);
  }

  /** A list that gives the blob's name, from the first donor that has one. */
  async #fetchList(donors: readonly PeerId[]): Promise<ChunkList | null> {
    for (const donor of donors) {
      if (this.#options.signal?.aborted) return null;
      try {
        const bytes = await this.#ask(donor, encodeRequest(this.#blob.digest, null));
        const list = decodeChunkList(bytes);
        if (list !== null && await sha256(bytes) === this.#blob.digest && list.sizeBytes === this.#blob.sizeBytes) {
          return list;
        }
        this.#drop(donor, "sent a chunk list that is not this blob's");
      } catch (error) {
        // Whoever is gone before it gave anything has broken no promise.
        if (failureOf(error) === "gone") this.#lacking.set(donor, "is not there");
        else this.#failedToGive(donor, error);
      }
    }
    return null;
  }

  /** Pulls chunk after chunk from one donor until nothing is left, or the donor fails. */
  async #work(donor: PeerId): Promise<void> {
    while (this.#mayAsk(donor)) {
      const index = this.#waiting.shift();
      if (index === undefined) {
        if (this.#inFlight === 0) return;
        await this.#wake.promise;
        continue;
      }
      this.#inFlight++;
      try {
        await this.#pull(donor, index);
      } finally {
        this.#inFlight--;
        this.#wake.resolve();
        this.#wake = Promise.withResolvers();
      }
    }
  }

  async #pull(donor: PeerId, index: number): Promise<void> {
    try {
      const bytes = await this.#ask(donor, encodeRequest(this.#blob.digest, index));
      await this.#partial.write(index, bytes);
      this.#count(index);
    } catch (error) {
      this.#waiting.unshift(index);
      if (error instanceof StorageError) throw error;
      this.#failedToGive(donor, error);
    }
  }

  #mayAsk(donor: PeerId): boolean {
    return !this.#dropped.has(donor) && !this.#lacking.has(donor) && !this.#options.signal?.aborted;
  }

  /** A refusal says that the donor does not have it, or not any more; all else is a fault. */
  #failedToGive(donor: PeerId, error: unknown): void {
    if (failureOf(error) === "refused") this.#lacking.set(donor, "does not have it");
    else this.#drop(donor, reasonOf(error));
  }

  /** The first reason counts: what fails after it may only be its consequence, and an abort is nobody's fault. */
  #drop(donor: PeerId, reason: string): void {
    if (!this.#dropped.has(donor) && !this.#options.signal?.aborted) this.#dropped.set(donor, reason);
  }

  async #ask(donor: PeerId, request: Uint8Array): Promise<Uint8Array<ArrayBuffer>> {
    const slowMs = this.#options.slowMs ?? SLOW_MS;
    using deadline = new Deadline(slowMs, [this.#options.signal]);
    try {
      return await requestBulk(this.#transport, donor, PROTOCOL, request, { signal: deadline.signal });
    } catch (error) {
      if (deadline.expired) throw new Error(`was too slow: no answer within ${slowMs} ms`);
      throw error;
    }
  }

  #count(index: number): void {
    const { start, end } = chunkSpan(this.#blob.sizeBytes, index);
    this.#heldBytes += end - start;
    this.#options.onProgress?.(this.#heldBytes, this.#blob.sizeBytes);
  }

  #failed(): Fetched {
    const asked = [...this.#dropped, ...this.#lacking];
    const what = `Cannot fetch blob ${this.#blob.digest} (${this.#heldBytes} of ${this.#blob.sizeBytes} bytes held)`;
    const why = this.#options.signal?.aborted
      ? "it was aborted"
      : asked.length === 0
      ? "nobody is known to have it"
      : asked.map(([peer, reason]) => `${peer} ${reason}`).join("; ");
    return { ok: false, reason: `${what}: ${why}`, dropped: this.#droppedDonors() };
  }

  #droppedDonors(): readonly DroppedDonor[] {
    return [...this.#dropped].map(([peer, reason]) => ({ peer, reason }));
  }
}

/** Hashes a stored blob chunk by chunk; null if it is not there, or no longer what its name says. */
async function hashStored(store: BlobStore, digest: Digest): Promise<ChunkList | null> {
  const sizeBytes = await store.sizeOf(digest);
  if (sizeBytes === null) return null;
  const chunks: Digest[] = [];
  for (let start = 0; start < sizeBytes; start += CHUNK_BYTES) {
    const chunk = await store.slice(digest, start, start + CHUNK_BYTES);
    if (chunk === null) return null;
    chunks.push(await sha256(chunk));
  }
  const list = { sizeBytes, chunks };
  if (await chunkListDigest(list) === digest) return list;
  await store.get(digest); // verifies, and drops what is damaged
  return null;
}

function encodeRequest(digest: Digest, index: number | null): Uint8Array {
  const bytes = new Uint8Array(1 + DIGEST_BYTES + (index === null ? 0 : 4));
  bytes[0] = index === null ? ASK_LIST : ASK_CHUNK;
  bytes.set(fromString(digest, "base16"), 1);
  if (index !== null) new DataView(bytes.buffer).setUint32(1 + DIGEST_BYTES, index);
  return bytes;
}

function parseRequest(bytes: Uint8Array): { readonly digest: Digest; readonly index: number | null } | null {
  const hasIndex = bytes[0] === ASK_CHUNK;
  if ((!hasIndex && bytes[0] !== ASK_LIST) || bytes.length !== 1 + DIGEST_BYTES + (hasIndex ? 4 : 0)) return null;
  const digest = toString(bytes.subarray(1, 1 + DIGEST_BYTES), "base16") as Digest;
  if (!hasIndex) return { digest, index: null };
  return { digest, index: new DataView(bytes.buffer, bytes.byteOffset).getUint32(1 + DIGEST_BYTES) };
}

function failureOf(error: unknown): TransportFailure | null {
  return error instanceof TransportError ? error.kind : null;
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
