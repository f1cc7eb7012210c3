/**
 * How a peer without a usable head gets one: from its own disk, heaviest state first, or from what other peers offer
 * (law 6: an empty peer never outranks a history, it only asks).
 *
 * Weight is what a state claims of itself. So of states that others offer, the heaviest is taken that at least half of
 * those who spoke support: who stand on it, or on another record of the same history. A member that fell so far behind
 * that records no longer help takes the same way. It loads one state at a time.
 * @module
 */
import type { Context } from "./context.ts";
import { stateDigest } from "./digest.ts";
import { isHeavier } from "./fork.ts";
import { neighbourhood } from "./recent.ts";
import type { BlobName, ChainState, Digest, PeerId, RoundRecord, Signed, StateAt } from "./types.ts";
import type { Word } from "./witnesses.ts";

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

/**
 * Whether the records that are known lead to a state, to another one, or not that far; "unmade" if the records are all
 * known and only offers that they count are not.
 */
export type Proof = "proven" | "refuted" | "unmade" | "open";

export interface Choice {
  readonly isWorth: (candidate: Candidate) => boolean;
  /** What our own records say of this state, without anybody's word and but for its weights. */
  readonly proofOf: (candidate: Candidate) => Proof;
  /** How long the records that lead to a state are waited for, before it may be taken without them. */
  readonly patienceMs: number;
  /** Where those who have a say stand. */
  readonly words: readonly Word[];
  /** Whether we know of this record what follows from it. */
  readonly isKnown: (record: Digest) => boolean;
  /** Whether a state that most contradict is better than none. */
  readonly isNeedy: boolean;
}

export class Joining {
  #candidates: Candidate[] = [];
  #decideAtMs: number | null = null;
  #loading: Candidate | null = null;
  /** Since when there have been states that no record known here leads to. */
  #openSinceMs: number | null = null;

  /** The cells of those who answered, and have no state that could be ours. */
  readonly #elsewhere = new Set<string>();

  get size(): number {
    return this.#candidates.length;
  }

  /** Whether a state of our own disk has still to be tried. */
  get hasOwn(): boolean {
    return [...this.#candidates, ...this.#loading ? [this.#loading] : []].some(({ from }) => from.length === 0);
  }

  /** Heaviest first is decided when it is time; `atMs` is when. */
  add(candidate: Candidate, atMs: number): void {
    const same = this.#candidates.findIndex((known) => baseOfState(known) === baseOfState(candidate));
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

  /** Somebody answered who is in another cell than we could be in. */
  hear({ report }: Context, cell: string): void {
    if (this.#elsewhere.has(cell)) return;
    this.#elsewhere.add(cell);
    if (this.#elsewhere.size > MOST_CANDIDATES) this.#elsewhere.clear();
    const reason = "for a peer of the cell that this one belongs to";
    report({ kind: "waiting", reason: `${reason}: found only cells ${[...this.#elsewhere].sort().join(", ")}` });
  }

  /** Begins to load the best candidate that beats what we have, when it is time. */
  run(context: Context, choice: Choice): void {
    if (this.#loading !== null || this.#decideAtMs === null || context.now < this.#decideAtMs) return;
    this.#candidates = this.#candidates.filter((each) => choice.isWorth(each) && choice.proofOf(each) !== "refuted");
    const open = this.#candidates.filter((each) => each.from.length > 0 && choice.proofOf(each) !== "proven");
    this.#openSinceMs = open.length === 0 ? null : this.#openSinceMs ?? context.now;
    const isWaiting = context.now < (this.#openSinceMs ?? -Infinity) + choice.patienceMs;
    const best = this.#choose(context, choice, isWaiting ? open : []);
    if (best === undefined) {
      this.#decideAtMs = isWaiting ? context.now + SETTLE_MS : null;
      return;
    }
    this.#candidates.splice(this.#candidates.indexOf(best), 1);
    this.#loading = best;
    const { weights, from, chain: { lineages } } = best;
    context.emit({ kind: "load", weights, sets: lineages.length, from });
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

  /**
   * The heaviest that enough support, of those that are not to be waited for; what most contradict is dropped, and said,
   * unless nothing else is left to a needy one.
   */
  #choose(
    { report }: Context,
    { words, proofOf, isKnown, isNeedy }: Choice,
    waitedFor: readonly Candidate[],
  ): Candidate | undefined {
    const all = this.#candidates;
    const ballots = all.filter((candidate) => !waitedFor.includes(candidate))
      .map((candidate) => {
        // Who stands where we could stand as well says nothing of what is made of it with records or offers that we are
        // not given.
        const have = proofOf(candidate) === "proven" ? words : words.filter(({ head }) => !isKnown(head));
        return { candidate, support: supportOf(candidate, have, all) };
      });
    const isOurs = ({ candidate }: typeof ballots[number]) =>
      candidate.from.length === 0 || !isNeedy && proofOf(candidate) === "proven";
    const chosen = ballots.find((ballot) => isOurs(ballot) || 2 * ballot.support >= words.length);
    if (chosen !== undefined) return chosen.candidate;
    if (isNeedy) return ballots.sort((a, b) => b.support - a.support)[0]?.candidate; // stable: of equals the heavier
    for (const { candidate: { chain, from }, support } of ballots) {
      const state = `the state of ${from[0]} (round ${chain.round}, weight ${chain.weight}) is not taken`;
      report({
        kind: "waiting",
        reason: `${state}: ${support} of ${words.length} connected peers stand on its history`,
      });
    }
    this.#candidates = [...waitedFor];
    return undefined;
  }
}

/** How many stand on the history that ends in this state, as far as it can be seen. */
function supportOf(candidate: Candidate, words: readonly Word[], all: readonly Candidate[]): number {
  const base = baseOfState(candidate), { chain } = candidate;
  return words.filter((word) =>
    (word.head === chain.head ? base : baseOf(word.head, chain)) === word.base ||
    all.some((other) => baseOfState(other) === word.base && baseOf(chain.head, other.chain) === base)
  ).length;
}

function baseOfState({ chain, weights }: Candidate): Digest {
  return stateDigest(chain, weights.digest);
}

/** State digest of a record just behind this state, or null if it is none. */
function baseOf(record: Digest, chain: ChainState): Digest | null {
  return neighbourhood(chain).records.get(record)?.base ?? null;
}
