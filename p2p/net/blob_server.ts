/**
 * Blobs for other peers: each serves what it holds, to whoever asks, a piece at a time.
 *
 * It keeps nothing between two requests but the chunk lists asked for last, so a reader can come, go and return, and a
 * slow one costs nothing.
 * @module
 */
import { type BlobStore, CHUNK_BYTES } from "../store/blob_store.ts";
import { type ChunkList, chunkListDigest, encodeChunkList, sha256 } from "../store/chunks.ts";
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
/** Chunk lists remembered. */
const MOST_LISTS = 32;

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
    const asked = decodeBlobRequest(request);
    if (asked === null) return null;
    const { digest, piece } = asked;
    if (piece !== null) return await store.slice(digest, piece.start, piece.end);
    const list = await listOf(digest);
    if (list === null) lists.delete(digest); // it may be stored later
    return list === null ? null : encodeChunkList(list);
  };
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
