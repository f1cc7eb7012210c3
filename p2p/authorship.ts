/**
 * A contribution as a blob: whose it is, then what the learner encoded.
 *
 * | bytes | what                                 |
 * | ----- | ------------------------------------ |
 * | 0–31  | SHA-256 of the DAG-CBOR of the author's peer id |
 * | 32–   | the encoded pseudo-gradient          |
 *
 * So a blob is valid in the offers of one peer alone, whoever announces it first. It is no signature: whoever has read a
 * contribution can write its content into a blob of another digest.
 * @module
 */
import { hexToBytes } from "@noble/hashes/utils.js";
import { digestOf } from "./sync/digest.ts";
import type { PeerId } from "./sync/types.ts";

export const AUTHOR_BYTES = 32;

export function withAuthor(content: Uint8Array, author: PeerId): Uint8Array<ArrayBuffer> {
  const blob = new Uint8Array(AUTHOR_BYTES + content.length);
  blob.set(hexToBytes(digestOf(author)));
  blob.set(content, AUTHOR_BYTES);
  return blob;
}

/** Whether a blob, or what it begins with, is a contribution of this peer. */
export function isBy(author: PeerId, blob: Uint8Array): boolean {
  const wanted = hexToBytes(digestOf(author));
  return blob.length >= AUTHOR_BYTES && wanted.every((byte, i) => blob[i] === byte);
}
