/**
 * How a peer without a usable head gets one: from its own disk, heaviest state first, or from what other peers offer,
 * heaviest first (law 6: an empty peer never outranks a history, it only asks).
 *
 * A member that fell so far behind that records no longer help takes the same way. It loads one state at a time.
 * @module
 */
import type { Context } from "./context.ts";
import { bodyDigest } from "./digest.ts";
import { isHeavier } from "./fork.ts";
import type { BlobName, ChainState, Digest, PeerId, RoundRecord, Signed, StateAt } from "./types.ts";

/** Time in which better answers than the first may come. */
const SETTLE_MS = 1_000;
/** Different states considered at once. */
const MOST_CANDIDATES = 16;

export interface Candidate {
  readonly record: Signed<RoundRecord>;
  readonly chain: ChainState;
  readonly weights: BlobName;
  /** Who has it; empty if it is on our own disk. */
  readonly from: readonly PeerId[];
}

export class Joining {
  #candidates: Candidate[] = [];
  #decideAtMs: number | null = null;
  #loading: Candidate | null = null;

  /** Heaviest first is decided when it is time; `atMs` is when. */
  add(candidate: Candidate, atMs: number): void {
    const same = this.#candidates.findIndex(({ chain }) => chain.head === candidate.chain.head);
    const known = this.#candidates[same];
    if (known !== undefined) {
      this.#candidates[same] = { ...known, from: [...new Set([...known.from, ...candidate.from])].sort() };
    } else {
      this.#candidates.push(candidate);
      this.#candidates.sort((a, b) => isHeavier(a.chain, b.chain) ? -1 : 1);
      this.#candidates.length = Math.min(this.#candidates.length, MOST_CANDIDATES);
    }
    this.#decideAtMs ??= atMs;
  }

  addFromPeer({ now }: Context, { record, chain, weights }: StateAt, from: PeerId): void {
    this.add({ record, chain, weights, from: [from] }, now + SETTLE_MS);
  }

  /** Begins to load the heaviest candidate that beats what we have, when it is time. */
  run({ now, emit }: Context, isWorth: (candidate: Candidate) => boolean): void {
    if (this.#loading !== null || this.#decideAtMs === null || now < this.#decideAtMs) return;
    this.#candidates = this.#candidates.filter(isWorth);
    const best = this.#candidates.shift();
    if (best === undefined) {
      this.#decideAtMs = null;
      return;
    }
    this.#loading = best;
    emit({ kind: "load", weights: best.weights, from: best.from });
  }

  /** A load was answered; returns what was being loaded, if it was this. The next candidate may follow at once. */
  answered(weights: Digest): Candidate | null {
    const loading = this.#loading;
    if (loading?.weights.digest !== weights) return null;
    this.#loading = null;
    return loading;
  }

  get deadline(): number {
    return this.#loading === null && this.#decideAtMs !== null ? this.#decideAtMs : Infinity;
  }
}

/** Why this answer cannot be a state, or null. That it is the *right* state only later offers can confirm. */
export function whyNoState({ record, chain }: StateAt): string | null {
  if (chain.head !== bodyDigest(record.body)) return "its chain state does not belong to its record";
  if (chain.round !== record.body.round) return `its round is ${chain.round}, its record's ${record.body.round}`;
  return null;
}
