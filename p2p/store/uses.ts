/**
 * What the blobs of one peer are for, and which of them it can do without, in which order. It moves no bytes.
 *
 * Rounds are held against the head that this peer stands on, never against what another claims: an offer for a round far
 * ahead is for the next one, and makes nothing else old.
 * @module
 */
import type { Digest } from "../sync/types.ts";

/** Rounds whose contributions are not past: those that the next records may count. */
const ROUNDS_NEEDED = 2;
/** States not spared: the head's, and its parent's for a fold that is under way or turns out damaged. */
const STATES_NEEDED = 2;

export type BlobUse =
  | { readonly kind: "weights"; readonly round: number }
  | {
    readonly kind: "contribution";
    readonly round: number;
    /** A record that this peer folds counts it, or it is our own. Of others nobody knows whether one ever will. */
    readonly isNeeded: boolean;
  };

/** The state that a peer stands on. */
export interface Standing {
  readonly round: number;
  /** Null while it has none of the states that it had. */
  readonly weights: Digest | null;
}

export class Uses {
  readonly #uses = new Map<Digest, BlobUse>();
  #head: Standing = { round: 0, weights: null };

  stand(head: Standing): void {
    this.#head = head;
  }

  /** Says what a blob is for. Of two uses the one that needs it more counts, of equals the later. */
  name(digest: Digest, use: BlobUse): void {
    const known = this.#uses.get(digest), named = this.#believed(use);
    if (known !== undefined && importance(known) > importance(named)) return;
    const isSame = known?.kind === named.kind;
    this.#uses.set(digest, isSame ? { ...named, round: Math.max(known.round, named.round) } : named);
  }

  forget(digest: Digest): void {
    this.#uses.delete(digest);
  }

  isNamed(digest: Digest): boolean {
    return this.#uses.has(digest);
  }

  /** Whether a blob may never be of use: it is a contribution that no record counts. */
  isOptional(digest: Digest): boolean {
    const use = this.#uses.get(digest);
    return use?.kind === "contribution" && !use.isNeeded;
  }

  /**
   * Which of these this peer has no use for any more, the first to go first: contributions of past rounds, those that
   * nobody counted before the others and the oldest before later ones; then weights, the farthest from the head first.
   */
  past(digests: Iterable<Digest>): readonly Digest[] {
    const contributions: { readonly digest: Digest; readonly round: number; readonly isNeeded: boolean }[] = [];
    const weights: { readonly digest: Digest; readonly round: number; readonly distance: number }[] = [];
    let statesNeeded = STATES_NEEDED;
    for (const digest of digests) {
      const use = this.#uses.get(digest);
      if (digest === this.#head.weights) statesNeeded--;
      else if (use?.kind === "weights") {
        weights.push({ digest, round: use.round, distance: Math.abs(use.round - this.#head.round) });
      } else if (use !== undefined && use.round <= this.#head.round + 1 - ROUNDS_NEEDED) {
        contributions.push({ digest, ...use });
      }
    }
    contributions.sort((a, b) => Number(a.isNeeded) - Number(b.isNeeded) || a.round - b.round);
    weights.sort((a, b) => b.distance - a.distance || a.round - b.round);
    return [...contributions, ...weights.slice(0, -statesNeeded)].map(({ digest }) => digest);
  }

  #believed(use: BlobUse): BlobUse {
    return use.kind === "weights" ? use : { ...use, round: Math.min(use.round, this.#head.round + 1) };
  }
}

function importance(use: BlobUse): number {
  return use.kind === "weights" ? 2 : use.isNeeded ? 1 : 0;
}
