/**
 * Blobs for other peers: each serves what it holds, to whoever asks, a piece at a time.
 *
 * It keeps nothing between two requests, so a reader can come, go and return, and a slow one costs nothing.
 * @module
 */
import type { BlobStore } from "../store/blob_store.ts";
import type { Digest } from "../sync/types.ts";
import { BLOBS_PROTOCOL, decodeBlobRequest } from "./blob_requests.ts";
import { Deadline } from "./deadline.ts";
import { serveRelay } from "./relay.ts";
import type { RequestHandler, Transport } from "./transport.ts";

/**
 * A relay that is fetching a blob itself lets a reader of it wait so long, so that the author sends it once. It is under
 * what a reader takes for slow.
 */
const RELAY_PATIENCE_MS = 4_000;

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
  transport.onRequest(BLOBS_PROTOCOL, answer);
  return answer;
}

/** Serves peers that cannot reach whom they want to ask, until the transport closes. */
export function relayBlobs(transport: Transport, answer: RequestHandler, { underWay, onRelayed }: BlobRelay): void {
  serveRelay({
    transport,
    name: BLOBS_PROTOCOL,
    onRelayed,
    async answer(from, request) {
      const asked = decodeBlobRequest(request), coming = asked === null ? null : underWay(asked.digest);
      if (coming !== null) {
        using patience = new Deadline(RELAY_PATIENCE_MS);
        await Promise.race([coming, new Promise((resolve) => patience.signal.addEventListener("abort", resolve))]);
      }
      return await answer(from, request);
    },
  });
}

function answersFrom(store: BlobStore): RequestHandler {
  return async (_, request) => {
    const asked = decodeBlobRequest(request);
    if (asked === null) return null;
    const { digest, piece } = asked;
    return piece === null ? await store.chunkList(digest) : await store.slice(digest, piece.start, piece.end);
  };
}
