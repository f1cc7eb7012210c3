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

const NEEDS = ["doubtful", "likely", "certain"] as const;

/**
 * How sure it is that this peer needs a blob. What is needed more surely may take the room of what is so less.
 * - `doubtful`: a contribution of a stranger, which no record counts;
 * - `likely`: one of a member, which no record counts yet;
 * - `certain`: one that a record counts, or our own; weights; and whatever was not named.
 */
export type Need = "doubtful" | "likely" | "certain";

export type BlobUse =
  | { readonly kind: "weights"; readonly round: number }
  | { readonly kind: "contribution"; readonly round: number; readonly need: Need };

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
    if (known !== undefined && isLess(named, known)) return;
    const isSame = known?.kind === named.kind;
    this.#uses.set(digest, isSame ? { ...named, round: Math.max(known.round, named.round) } : named);
  }

  forget(digest: Digest): void {
    this.#uses.delete(digest);
  }

  isNamed(digest: Digest): boolean {
    return this.#uses.has(digest);
  }

  needOf(digest: Digest): Need {
    const use = this.#uses.get(digest);
    return use?.kind === "contribution" ? use.need : "certain";
  }

  /** Which of these are needed less surely than that, the least first. */
  below(need: Need, digests: Iterable<Digest>): readonly Digest[] {
    const rankOf = (digest: Digest): number => NEEDS.indexOf(this.needOf(digest));
    return [...digests].filter((digest) => rankOf(digest) < NEEDS.indexOf(need)).sort((a, b) => rankOf(a) - rankOf(b));
  }

  /**
   * Which of these this peer has no use for any more, the first to go first: contributions of past rounds, those that
   * nobody counted before the others, and the oldest before later ones; then weights, the farthest from the head first.
   */
  past(digests: Iterable<Digest>): readonly Digest[] {
    const contributions: { readonly digest: Digest; readonly round: number; readonly need: Need }[] = [];
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
    contributions.sort((a, b) => NEEDS.indexOf(a.need) - NEEDS.indexOf(b.need) || a.round - b.round);
    weights.sort((a, b) => b.distance - a.distance || a.round - b.round);
    return [...contributions, ...weights.slice(0, -statesNeeded)].map(({ digest }) => digest);
  }

  #believed(use: BlobUse): BlobUse {
    return use.kind === "weights" ? use : { ...use, round: Math.min(use.round, this.#head.round + 1) };
  }
}

/** Weights are more than any contribution. */
function isLess(a: BlobUse, b: BlobUse): boolean {
  const rank = (use: BlobUse): number => use.kind === "weights" ? NEEDS.length : NEEDS.indexOf(use.need);
  return rank(a) < rank(b);
}
