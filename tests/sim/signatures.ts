/**
 * Signatures for simulations: a cheap keyed digest in place of Ed25519. Whoever has no secret can only guess, so forging
 * can be tried, and fails unless somebody does not check.
 * @module
 */
import type { Digest, PeerId } from "../../p2p/sync/types.ts";

export function signAs(author: PeerId): (digest: Digest) => Uint8Array {
  return (digest) => signatureOf(digest, author);
}

export function verifySimulated(digest: Digest, signature: Uint8Array, author: PeerId): boolean {
  const wanted = signatureOf(digest, author);
  return signature.length === wanted.length && wanted.every((byte, i) => signature[i] === byte);
}

function signatureOf(digest: Digest, author: PeerId): Uint8Array {
  let hash = 0x811c9dc5; // FNV-1a
  for (const text of [author, " signs ", digest]) {
    for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  }
  return new Uint8Array(new Uint32Array([hash]).buffer);
}
