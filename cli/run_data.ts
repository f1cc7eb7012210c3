/**
 * What a run's configuration names and this machine lacks: fetched before there is a peer to train, from everybody who
 * can be reached, whoever of them goes away meanwhile.
 * @module
 */
import { BlobFetch } from "../p2p/net/blobs.ts";
import type { Transport } from "../p2p/net/transport.ts";
import { TransportError } from "../p2p/net/transport_error.ts";
import type { BlobStore } from "../p2p/store/blob_store.ts";
import type { Digest } from "../p2p/sync/types.ts";
import { blobsOf, type RunConfig } from "../runtime/config.ts";
import { counted } from "./format.ts";

export interface RunDataOptions {
  readonly transport: Transport;
  /** Whom to dial. */
  readonly addresses: readonly string[];
  /** Where the data may be already. */
  readonly blobs: BlobStore;
  /** Where they go. */
  readonly own: BlobStore;
  /** Told as bytes come. */
  readonly onProgress: (what: string, bytes: number, totalBytes: number) => void;
  readonly signal: AbortSignal;
}

/** @throws {TransportError} if nobody who can be reached has them; what was fetched is kept. */
export async function fetchRunData(config: RunConfig, options: RunDataOptions): Promise<void> {
  const { transport, addresses, blobs, own, onProgress, signal } = options;
  const wanted = blobsOf(config);
  let dialling: Promise<unknown> | null = null, fetch: BlobFetch | null = null;
  for (const [i, { blob, sizeBytes }] of wanted.entries()) {
    const digest = blob as Digest, what = `data ${i + 1} of ${wanted.length}`;
    if (await blobs.get(digest) !== null) continue;
    if (dialling === null) {
      transport.onEvent((event) => event.kind === "connected" && fetch?.add([event.peer]));
      dialling = Promise.allSettled(addresses.map((address) => transport.connect(address, { signal })));
    }
    const run = () => {
      fetch = new BlobFetch({ transport, store: own }, { digest, sizeBytes }, {
        donors: transport.peers(),
        signal,
        onProgress: (bytes, totalBytes) => onProgress(what, bytes, totalBytes),
      });
      return fetch.run();
    };
    if (transport.peers().length === 0) await dialling;
    let fetched = await run();
    if (!fetched.ok && !signal.aborted) {
      await dialling; // somebody may answer yet
      fetched = await run();
    }
    if (signal.aborted) return;
    if (fetched.ok) continue;
    throw new TransportError(
      "gone",
      `Cannot fetch ${what} of the run (${counted(sizeBytes)}B): ${fetched.reason}\n` +
        "Try again when a peer that has it is there; what was fetched is kept.",
    );
  }
}
