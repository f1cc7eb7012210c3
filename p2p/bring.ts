/**
 * A peer's fetches: two who want the same blob share one, whoever connects meanwhile is asked too, and what was learnt
 * of donors in one fetch serves the next.
 * @module
 */
import type { Clock } from "./clock.ts";
import type { HostEvent } from "./host_event.ts";
import { BlobFetch, type FetchOptions } from "./net/blobs.ts";
import { Donors } from "./net/donors.ts";
import type { Transport } from "./net/transport.ts";
import type { Stock } from "./store/stock.ts";
import type { BlobName, Digest, PeerId } from "./sync/types.ts";

export interface BringerOptions {
  readonly transport: Pick<Transport, "request" | "link">;
  readonly store: Stock;
  readonly clock: Clock;
  readonly emit: (event: HostEvent) => void;
  /** Ends all fetches. */
  readonly signal: AbortSignal;
}

export type From = Pick<FetchOptions, "donors" | "others">;

interface OpenFetch {
  readonly blob: BlobName;
  readonly fetch: BlobFetch;
  readonly done: Promise<string | null>;
  readonly stop: AbortController;
}

export class Bringer {
  readonly #options: BringerOptions;
  readonly #donors: Donors;
  readonly #open = new Set<OpenFetch>();

  constructor(options: BringerOptions) {
    this.#options = options;
    this.#donors = new Donors(options.clock);
  }

  /**
   * Has the blob in the store when it resolves with null; else says why not.
   * @throws {StorageError} if this peer's own disk refuses.
   */
  async bring(blob: BlobName, from: From): Promise<string | null> {
    if (await this.#options.store.has(blob.digest)) return null;
    // Who names another's blob with a false size gets a fetch of its own, which fails alone.
    const open = this.#openOf(blob.digest).find((open) => open.blob.sizeBytes === blob.sizeBytes);
    if (open !== undefined) {
      open.fetch.add([...from.donors, ...from.others ?? []]);
      return await open.done;
    }
    const stop = new AbortController();
    const signal = AbortSignal.any([stop.signal, this.#options.signal]);
    const { transport, store, clock, emit } = this.#options;
    const onProgress = (heldBytes: number): void => emit({ kind: "fetching", blob, heldBytes });
    const fetch = new BlobFetch({ transport, store, clock, donors: this.#donors }, blob, {
      ...from,
      signal,
      onProgress,
    });
    const done = this.#run(blob, fetch).finally(async () => {
      this.#open.delete(begun);
      if (this.#openOf(blob.digest).length === 0) await store.rest(blob.digest);
    });
    const begun: OpenFetch = { blob, fetch, done, stop };
    this.#open.add(begun);
    return await done;
  }

  /** Settles when the fetch of a blob ends; null if none is under way. */
  underWay(digest: Digest): Promise<unknown> | null {
    return this.#openOf(digest)[0]?.done ?? null;
  }

  /** A peer has connected: it may have what is being fetched. */
  arrived(peer: PeerId): void {
    for (const { fetch } of this.#open) fetch.add([peer]);
  }

  /** Nobody needs this blob any more. Resolves when nothing more of it is written. */
  async stop(digest: Digest): Promise<void> {
    const open = this.#openOf(digest);
    for (const { stop } of open) stop.abort();
    await Promise.allSettled(open.map(({ done }) => done)); // whoever asked for it hears how it ended
  }

  #openOf(digest: Digest): readonly OpenFetch[] {
    return [...this.#open].filter((open) => open.blob.digest === digest);
  }

  async #run(blob: BlobName, fetch: BlobFetch): Promise<string | null> {
    const { emit } = this.#options;
    const fetched = await fetch.run();
    for (const { peer, reason } of fetched.dropped) emit({ kind: "donor dropped", peer, blob, reason });
    if (!fetched.ok) return fetched.reason;
    emit({ kind: "fetched", blob });
    return null;
  }
}
