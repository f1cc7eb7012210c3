/**
 * The digest of plain data: SHA-256 of its DAG-CBOR encoding, which has one form for each value on every machine.
 *
 * Not the digest of a blob (`p2p/store/blob_store.ts`). Pure JavaScript, so it costs about a microsecond for every ten
 * bytes: a message is digested once.
 * @module
 */
import { encode } from "@ipld/dag-cbor";
import { sha256 } from "@noble/hashes/sha2.js";
import { bytesToHex } from "@noble/hashes/utils.js";
import { trainedIn } from "./ledger.ts";
import type { ChainState, Change, Digest, Met, Offer, RoundRecord } from "./types.ts";

/** @throws {Error} if the value has no canonical form: `undefined`, NaN, a function. */
export function digestOf(value: unknown): Digest {
  return bytesToHex(sha256(encode(value))) as Digest;
}

const bodies = new WeakMap<Offer | RoundRecord | Change, Digest>();

/** `digestOf` for the bodies of signed messages, computed once for each object: bodies never change. */
export function bodyDigest(body: Offer | RoundRecord | Change): Digest {
  let digest = bodies.get(body);
  if (digest === undefined) bodies.set(body, digest = digestOf(body));
  return digest;
}

/** The digest of a state from what a meeting names of it. */
export function baseOf(
  { cell, record, known, rest, weights }: Omit<Met, "weights"> & { readonly weights: Digest },
): Digest {
  return digestOf({ cell, head: record, known: digestOf(known), chain: rest, weights });
}

const meetings = new WeakMap<Met, Digest>();

/** The digest of the state that a meeting met, computed once for each. */
export function metBase(met: Met): Digest {
  let digest = meetings.get(met);
  if (digest === undefined) meetings.set(met, digest = baseOf({ ...met, weights: met.weights.digest }));
  return digest;
}

const chains = new WeakMap<ChainState, Digest>();

/** `digestOf` for chain states, computed once for each object: they never change. */
export function chainDigest(chain: ChainState): Digest {
  let digest = chains.get(chain);
  if (digest === undefined) chains.set(chain, digest = digestOf(chain));
  return digest;
}

const states = new WeakMap<ChainState, { readonly weights: Digest; readonly digest: Digest }>();

/**
 * The digest of a state, called `base` in offers and records: what peers compare every round (law 3). The last one is
 * kept with each chain state, which never changes.
 */
export function stateDigest(chain: ChainState, weights: Digest): Digest {
  let known = states.get(chain);
  if (known?.weights !== weights) {
    const parts = { cell: chain.cell, record: chain.head, known: trainedIn(chain.ledger), rest: chainDigest(chain) };
    states.set(chain, known = { weights, digest: baseOf({ ...parts, weights }) });
  }
  return known.digest;
}
