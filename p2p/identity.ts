/**
 * Who a peer is: an Ed25519 key. Its public half, as a libp2p peer id, is the peer's name everywhere.
 *
 * Pure functions over bytes: the key file is `store/key_file.ts`, the libp2p key is made from the same seed in
 * `net/libp2p.ts`. A peer id has exactly one text here (base58btc): two texts for one key would be two peers.
 * @module
 */
import { ed25519 } from "@noble/curves/ed25519.js";
import { fromString, toString } from "uint8arrays";
import type { Digest, PeerId } from "./sync/types.ts";

export const SEED_BYTES = 32;
export const SIGNATURE_BYTES = 64;

/** An identity multihash (0x00, length 36) around a protobuf that says "Ed25519, 32 bytes". */
const PEER_ID_PREFIX = [0x00, 0x24, 0x08, 0x01, 0x12, 0x20];
const PEER_ID_BYTES = PEER_ID_PREFIX.length + 32;
const PEER_ID_TEXT = /^12D3KooW[1-9A-HJ-NP-Za-km-z]{44}$/;

/** A peer's key and what is done with it. */
export interface Identity {
  readonly peer: PeerId;
  /** The private key: 32 bytes. Only the transport and the key file need it. */
  readonly seed: Uint8Array<ArrayBuffer>;
  /** Ed25519 signature over the digest's 32 bytes. */
  sign(digest: Digest): Uint8Array;
}

/**
 * The identity of a seed, which is its whole secret.
 * @throws {RangeError} if the seed is not 32 bytes.
 */
export function identityFromSeed(seed: Uint8Array): Identity {
  if (seed.length !== SEED_BYTES) {
    throw new RangeError(`Cannot make an identity: found a seed of ${seed.length} bytes, wanted ${SEED_BYTES}`);
  }
  const own = new Uint8Array(seed);
  return {
    peer: peerIdOf(ed25519.getPublicKey(own)),
    seed: own,
    sign: (digest) => ed25519.sign(fromString(digest, "base16"), own),
  };
}

/** Whether `peer` signed `digest`. False for anything malformed; never throws. */
export function verifySignature(peer: PeerId, digest: Digest, signature: Uint8Array): boolean {
  const publicKey = publicKeyOf(peer);
  if (publicKey === null || signature.length !== SIGNATURE_BYTES) return false;
  try {
    return ed25519.verify(signature, fromString(digest, "base16"), publicKey, { zip215: false });
  } catch {
    return false; // the key is no point of the curve, or the digest no hexadecimal text
  }
}

/** The peer id of an Ed25519 public key. */
function peerIdOf(publicKey: Uint8Array): PeerId {
  const bytes = new Uint8Array(PEER_ID_BYTES);
  bytes.set(PEER_ID_PREFIX);
  bytes.set(publicKey, PEER_ID_PREFIX.length);
  return toString(bytes, "base58btc") as PeerId;
}

/** The public key in a peer id, or null if it is no id of an Ed25519 key in base58btc. */
export function publicKeyOf(peer: string): Uint8Array | null {
  if (!PEER_ID_TEXT.test(peer)) return null;
  const bytes = fromString(peer, "base58btc");
  if (bytes.length !== PEER_ID_BYTES || PEER_ID_PREFIX.some((byte, i) => bytes[i] !== byte)) return null;
  return bytes.subarray(PEER_ID_PREFIX.length);
}

/** Whether a text is a peer id as this program writes them. */
export function isPeerId(text: string): text is PeerId {
  return publicKeyOf(text) !== null;
}
