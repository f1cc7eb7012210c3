/**
 * Two blob stores as one: everything is written to the first, and read from the second where the first lacks it.
 *
 * So a peer serves the run's data, which lies in the run's folder, beside what it stores itself, without a copy.
 * @module
 */
import type { BlobStore } from "./blob_store.ts";

/** @param below Only read; what it holds is neither listed, counted nor deleted. */
export function layered(own: BlobStore, below: BlobStore): BlobStore {
  return {
    has: async (digest) => await own.has(digest) || await below.has(digest),
    get: async (digest) => await own.get(digest) ?? await below.get(digest),
    read: async (digest, ...into) => await own.read(digest, ...into) || await below.read(digest, ...into),
    slice: async (digest, start, end) => await own.slice(digest, start, end) ?? await below.slice(digest, start, end),
    sizeOf: async (digest) => await own.sizeOf(digest) ?? await below.sizeOf(digest),
    chunkList: async (digest) => await own.chunkList(digest) ?? await below.chunkList(digest),
    put: (bytes) => own.put(bytes),
    delete: (digest) => own.delete(digest),
    list: () => own.list(),
    partials: () => own.partials(),
    partial: (digest, sizeBytes) => own.partial(digest, sizeBytes),
  };
}
