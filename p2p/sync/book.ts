/**
 * The records and offers that one peer knows, as far as they still matter.
 *
 * A record becomes *complete* when its parents and its offers are known and it is valid: then its chain state follows.
 * It becomes *folded* when this peer keeps its weights. What is asked for with every input looks only at the last
 * rounds; older records and the offers that they count lie in an archive, found by digest alone, for histories that
 * parted long ago. The book decides nothing; it is bounded (law 7), and what is older still lives in the journal alone.
 * @module
 */
import { stateDigest } from "./digest.ts";
import { fits } from "./cells.ts";
import { Ancestry } from "./ancestry.ts";
import { chainOf, type HeldOffer, type Link, type Stage, type State } from "./link.ts";
import { leastOwn } from "./merge.ts";
import { OfferShelf } from "./offer_shelf.ts";
import { neighbourhood } from "./recent.ts";
import { isMember } from "./roster.ts";
import type { Rulebook } from "./rulebook.ts";
import { countsRefuted, FOLLOWS_INVALID, States } from "./states.ts";
import type { BlobName, ChainState, Digest, PeerId, RoundRecord, Signed, SyncRules } from "./types.ts";

/** Records not yet complete that are kept. */
const MOST_INCOMPLETE = 64;
/** Records of all histories together. */
const MOST_LINKS = 1024;

/** Rounds of contributions and states that are kept to bring others up to date; late offers need S + 2 of them. */
export function historyRounds({ lateRounds }: SyncRules): number {
  return Math.max(16, lateRounds + 2);
}

/** Rounds of records and offers that are kept: histories that parted within them can be merged. */
export const ARCHIVE_ROUNDS = 256;

export interface PruneOptions {
  readonly nowMs: number;
  /** How long a record is given to become complete. */
  readonly patienceMs: number;
  /** A state whose weights are still needed, if it has any. */
  readonly rival: Digest | null;
}

export class Book {
  readonly links = new Map<Digest, Link>();
  readonly offers: OfferShelf;
  /** How the records hang together. */
  readonly ancestry: Ancestry;
  readonly #rules: SyncRules;
  readonly #rulebook: Rulebook;
  readonly #incomplete = new Set<Link>();
  readonly #unfolded = new Set<Link>();
  readonly #folded = new Set<State>();
  /** Whether the fork to a record is deep, for one head. */
  readonly #deep = new Map<Digest, boolean>();
  #deepFor: Digest | null = null;

  readonly #digits: string;
  readonly #states: States;

  /** @param digits Of the peer whose book it is: of a state with too many members, it has the part that is its own. */
  constructor(rules: SyncRules, rulebook: Rulebook, digits = "") {
    this.#digits = digits;
    this.#rules = rules;
    this.#rulebook = rulebook;
    this.offers = new OfferShelf(rules, (offer) => this.#isWanted(offer));
    this.ancestry = new Ancestry(this.links, this.offers, (link) => this.wholeOf(link));
    const { links, offers, ancestry } = this;
    this.#states = new States({ links, offers, ancestry, rules, rulebook, digits });
  }

  addRecord(digest: Digest, record: Signed<RoundRecord>, options: { nowMs: number; journaled: boolean }): void {
    if (this.links.has(digest)) return;
    this.#add(digest, record, { kind: "incomplete", sinceMs: options.nowMs }).journaled = options.journaled;
    if (this.#incomplete.size > MOST_INCOMPLETE) this.#remove(this.#crowding(digest));
  }

  /** Adds or completes a record whose state is known: genesis, our own disk, or what another peer gave. */
  addState(record: Signed<RoundRecord>, { chain, weights }: { chain: ChainState; weights: BlobName }): State {
    const link = this.links.get(chain.head) ?? this.#add(chain.head, record, { kind: "incomplete", sinceMs: 0 });
    return this.#hold(link, chain, weights);
  }

  /** Adds a record of our own disk that is too old for its weights to be kept. */
  addPast(record: Signed<RoundRecord>, chain: ChainState): void {
    if (this.links.has(chain.head)) return;
    this.#add(chain.head, record, { kind: "past", chain, base: null }).journaled = true;
  }

  /** The weights of a complete record are here. */
  hold(link: Link, weights: BlobName): State | null {
    const chain = chainOf(link);
    return chain === null ? null : this.#hold(link, chain, weights);
  }

  /** The weights of a state are not here after all: it can be folded again, once all that it counts is known. */
  lose(link: Link, nowMs: number): void {
    const chain = chainOf(link), since = { sinceMs: nowMs };
    const isKnown = chain !== null && this.countedOffers(link) !== null;
    this.#set(link, isKnown ? { kind: "complete", chain, failures: 0, ...since } : { kind: "incomplete", ...since });
  }

  /** A fold failed; returns how often so far. */
  countFailure(link: Link): number {
    if (link.stage.kind !== "complete") return 0;
    const stage = { ...link.stage, failures: link.stage.failures + 1 };
    this.#set(link, stage);
    return stage.failures;
  }

  /** The record will never be adopted. */
  condemn(link: Link, fault: string, { isCertain }: { readonly isCertain: boolean }): void {
    this.#set(link, { kind: "invalid", fault, isCertain });
  }

  /**
   * A contribution turned out to be none: what counts it is invalid, whatever is built on it, and so is all that follows.
   * Returns the links that count it.
   */
  refute({ digest, signed, verdict }: HeldOffer): readonly { readonly link: Link; readonly fault: string }[] {
    if (signed.body.blob === null || verdict?.valid !== false) return [];
    const fault = countsRefuted(digest, verdict.reason), found: { link: Link; fault: string }[] = [];
    const gone = new Set<Digest>();
    for (const link of [...this.links.values()].sort((a, b) => a.round - b.round)) {
      const counts = chainOf(link) !== null && link.record.body.counted.some(({ offer }) => offer === digest);
      if (!counts && !link.parents.some((parent) => gone.has(parent))) continue;
      gone.add(link.digest);
      this.condemn(link, counts ? fault : FOLLOWS_INVALID, { isCertain: true });
      if (counts) found.push({ link, fault });
    }
    return found;
  }

  /** Completes what can be completed; returns the links found invalid, but not those that follow them. */
  resolve(nowMs: number): readonly { readonly link: Link; readonly fault: string }[] {
    const invalid: { link: Link; fault: string }[] = [];
    for (let changed = true; changed;) {
      changed = false;
      for (const link of [...this.#incomplete].sort((a, b) => a.round - b.round)) {
        const done = this.#states.after(link);
        if (done === null) continue;
        changed = true;
        if (typeof done !== "string") {
          this.#set(link, { kind: "complete", chain: this.#states.partOf(link, done), sinceMs: nowMs, failures: 0 });
          continue;
        }
        this.condemn(link, done, { isCertain: done !== FOLLOWS_INVALID || this.isHopeless(link) });
        if (done !== FOLLOWS_INVALID) invalid.push({ link, fault: done });
      }
    }
    return invalid;
  }

  /** The offers that a record counts, in its order, or null while some are unknown. */
  countedOffers({ record }: Link): readonly HeldOffer[] | null {
    return this.offers.countedBy(record.body);
  }

  /** Records that a scribe wrote on the same parents: an honest scribe writes one. */
  recordsBy(scribe: PeerId, parents: readonly Digest[]): readonly Digest[] {
    const wanted = parents.join();
    return [...this.links.values()]
      .filter(({ record: { body }, parents }) => body.scribe === scribe && parents.join() === wanted)
      .map(({ digest }) => digest);
  }

  /** Whether no state after this record can be right: something on the way to it is not, as every peer would find. */
  isHopeless(link: Link): boolean {
    return this.ancestry.of(link).some(({ stage }) => stage.kind === "invalid" && stage.isCertain);
  }

  stateOf(record: Digest): State | null {
    const stage = this.links.get(record)?.stage;
    return stage?.kind === "folded" ? stage.state : null;
  }

  /** State digest of a record, if it was ever folded here. */
  baseOf(record: Digest): Digest | null {
    const stage = this.links.get(record)?.stage;
    return stage?.kind === "folded" ? stage.state.base : stage?.kind === "past" ? stage.base : null;
  }

  /** Complete histories that may be adopted in place of `head`, heaviest first, each with the links to fold, oldest first. */
  targets(head: State): readonly (readonly Link[])[] {
    return [...this.#unfolded]
      .filter((link) => this.#mayReplace(head, link))
      .sort((a, b) => this.#rulebook.isHeavier(chainOf(a)!, chainOf(b)!) ? -1 : 1)
      .flatMap((link) => {
        const path = this.#pathTo(link, historyRounds(this.#rules));
        return path === null ? [] : [[...new Set(path)]];
      });
  }

  /**
   * The heaviest folded state that may be adopted in place of `head`, without a meeting that is in doubt between them;
   * `head` if there is none. What a history met that parted from ours long ago is its own affair: who saw it may be gone.
   */
  heaviestFolded(head: State, isDoubted: (meeting: State) => boolean): State {
    const met = [...this.#folded].filter(({ link }) => link.record.body.met !== null && !this.isDeep(head, link));
    const doubted = new Set(met.filter(isDoubted).map(({ link }) => link));
    const isTrue = ({ link }: State) =>
      doubted.size === 0 || !this.ancestry.exclusive(link, head.link)?.some((link) => doubted.has(link));
    let best = head;
    for (const state of this.#folded) {
      const isBetter = this.#isOurs(state.chain) && this.#rulebook.isHeavier(state.chain, best.chain);
      if (isBetter && !this.isDeep(head, state.link) && isTrue(state)) best = state;
    }
    return best;
  }

  /** The heaviest folded state of all, or null: where a peer goes on from whose head turned out wrong. */
  heaviestLeft(): State | null {
    let best: State | null = null;
    for (const state of this.#folded) {
      if (!this.#isOurs(state.chain)) continue;
      if (best === null || this.#rulebook.isHeavier(state.chain, best.chain)) best = state;
    }
    return best;
  }

  /** Whether these are the weights of a state that is kept. */
  keeps(weights: Digest): boolean {
    return [...this.#folded].some((state) => state.weights.digest === weights);
  }

  /** Folded states that `head` must be merged with. */
  foldedRivals(head: State): readonly State[] {
    return [...this.#folded].filter(({ chain, link }) => this.#isOurs(chain) && this.isDeep(head, link));
  }

  /**
   * Whether this record's history and that of `head` parted too long ago for the lighter of the two to be given up.
   * Not so if it is not known any more where they parted: then the heavier one is taken whole.
   */
  isDeep(head: State, link: Link): boolean {
    if (link === head.link) return false;
    if (this.#deepFor !== head.link.digest) this.#deep.clear();
    this.#deepFor = head.link.digest;
    let isDeep = this.#deep.get(link.digest);
    if (isDeep === undefined) {
      const chain = chainOf(link);
      if (chain === null) return false;
      const isLighter = this.#rulebook.isHeavier(head.chain, chain);
      const [lighter, heavier] = isLighter ? [link, head.link] : [head.link, link];
      const cellOf = (link: Link) => (this.wholeOf(link) ?? chainOf(link)!).cell;
      const most = leastOwn([cellOf(heavier), cellOf(lighter)], this.#rules);
      const own = this.ancestry.exclusive(lighter, heavier, most);
      if (own === null) return false;
      isDeep = own.length >= most && this.ancestry.sidesOf({ parents: [lighter.digest, heavier.digest] }) !== null;
      this.#deep.set(link.digest, isDeep);
    }
    return isDeep;
  }

  /** What is needed to complete the links that could matter, and to merge them. */
  missing(): { readonly offers: readonly Digest[]; readonly parents: readonly Digest[] } {
    const offers = new Set<Digest>(), parents = new Set<Digest>();
    for (const { parents: known, record } of this.#incomplete) {
      for (const parent of known) if (!this.links.has(parent)) parents.add(parent);
      for (const { offer } of record.body.counted) if (this.offers.find(offer) === undefined) offers.add(offer);
    }
    // A state that was taken whole came without the offers of its record: a merge would need them.
    for (const { link: { record: { body } } } of this.#folded) {
      for (const { offer } of body.counted) if (this.offers.find(offer) === undefined) offers.add(offer);
    }
    return { offers: [...offers].sort(), parents: [...parents].sort() };
  }

  /** Drops what is too old for this head and returns the blobs that nothing left refers to. */
  prune(head: State, { nowMs, patienceMs, rival }: PruneOptions): readonly Digest[] {
    const { lateRounds } = this.#rules, before = this.#blobs();
    const historyRound = head.chain.round - historyRounds(this.#rules);
    const archiveRound = head.chain.round - ARCHIVE_ROUNDS;
    const near = new Set(head.chain.recent.map(({ record }) => record));
    // Whoever merges loads by name what it has not folded itself.
    for (const { parents } of this.#unfolded) if (parents.length > 1) parents.forEach((parent) => near.add(parent));
    for (const { link, chain, base } of this.#folded) {
      if (link === head.link || link.digest === rival || near.has(link.digest)) continue;
      if (link.round < head.chain.round - lateRounds - 1) this.#set(link, { kind: "past", chain, base });
    }
    for (const link of this.#unfolded) {
      if (link.round < historyRound) this.#set(link, { kind: "past", chain: chainOf(link)!, base: null });
    }
    for (const link of this.#incomplete) {
      if (link.stage.kind === "incomplete" && nowMs - link.stage.sinceMs > patienceMs) this.#remove(link);
    }
    for (const link of this.links.values()) {
      const least = link.stage.kind === "invalid" ? historyRound : archiveRound;
      if (link.round < least && link !== head.link) this.#remove(link);
    }
    this.#removeSurplus(head);
    const { records } = neighbourhood(head.chain);
    this.offers.prune({
      historyRound,
      archiveRound: archiveRound - lateRounds,
      isNear: (record) => records.has(record),
      isStranger: (peer) => !isMember(head.chain.roster, peer),
      countableRound: head.chain.round + 1 - lateRounds,
    });
    const after = this.#blobs();
    return [...before].filter((blob) => !after.has(blob)).sort();
  }

  /** The whole state after a record, however many members it has; null if that is not known. */
  wholeOf(link: Link): ChainState | null {
    return this.#states.wholeOf(link);
  }

  /** Whether this peer is in the cell of a record or a state; others are here only for what they were merged into. */
  #isOurs({ cell }: { readonly cell: string }): boolean {
    return fits(cell, this.#digits);
  }

  #mayReplace(head: State, link: Link): boolean {
    const chain = chainOf(link)!;
    return this.#isOurs(chain) && this.#rulebook.isHeavier(chain, head.chain) && !this.isDeep(head, link);
  }

  /**
   * Links to fold, oldest first, so that `link` becomes folded; null if that cannot be. What a merge record unites is
   * folded if it is a few records of ours away, else loaded by name.
   */
  #pathTo(link: Link, most: number): readonly Link[] | null {
    if (link.stage.kind === "folded") return [];
    if (link.stage.kind !== "complete" || most === 0 || !this.#isOurs(link.record.body)) return null;
    const near = link.parents.length > 1 ? this.#rules.lateRounds - 1 : most - 1;
    const paths = link.parents.map((parent) => this.links.get(parent)).map((parent) =>
      parent === undefined ? null : this.#pathTo(parent, Math.min(near, most - 1))
    );
    if (link.parents.length > 1) return [...paths.flatMap((path) => path ?? []), link];
    return paths[0] ? [...paths[0], link] : null;
  }

  /**
   * Of too many records that wait, which one goes: one of the scribe that has the most of them here, so that nobody's
   * crowd out another's; the one of the latest round, since what leads to it must come first; never the one just added,
   * which may be our own.
   */
  #crowding(added: Digest): Link {
    const others = [...this.#incomplete].filter(({ digest }) => digest !== added);
    const byScribe = [...Map.groupBy(others, ({ record }) => record.body.scribe).values()];
    const most = byScribe.reduce((most, links) => links.length > most.length ? links : most);
    return most.reduce((latest, link) => link.round > latest.round ? link : latest);
  }

  #isWanted(offer: Digest): boolean {
    const counts = ({ record }: Link) => record.body.counted.some((counted) => counted.offer === offer);
    return [...this.#incomplete].some(counts) || [...this.#folded].some(({ link }) => counts(link));
  }

  #add(digest: Digest, record: Signed<RoundRecord>, stage: Stage): Link {
    const { round, parents } = record.body;
    const link: Link = { digest, record, round, parents, stage, journaled: false };
    this.links.set(digest, link);
    this.#set(link, stage);
    return link;
  }

  #hold(link: Link, chain: ChainState, weights: BlobName): State {
    const state: State = { link, chain, base: stateDigest(chain, weights.digest), weights };
    this.#set(link, { kind: "folded", state });
    return state;
  }

  #set(link: { stage: Stage } & Link, stage: Stage): void {
    this.#unindex(link);
    link.stage = stage;
    if (stage.kind === "incomplete") this.#incomplete.add(link);
    if (stage.kind === "complete") this.#unfolded.add(link);
    if (stage.kind === "folded") this.#folded.add(stage.state);
  }

  #unindex(link: Link): void {
    this.#incomplete.delete(link);
    this.#unfolded.delete(link);
    if (link.stage.kind === "folded") this.#folded.delete(link.stage.state);
    this.#deep.delete(link.digest);
  }

  #remove(link: Link): void {
    this.#unindex(link);
    this.links.delete(link.digest);
    this.#states.forget(link.digest);
  }

  /** Forks beyond all measure go, oldest first, and the history of `head` last. */
  #removeSurplus(head: State): void {
    if (this.links.size <= MOST_LINKS) return;
    const own = new Set(this.ancestry.of(head.link));
    const others = [...this.links.values()].filter((link) => !own.has(link)).sort((a, b) => a.round - b.round);
    others.slice(0, this.links.size - MOST_LINKS).forEach((link) => this.#remove(link));
  }

  #blobs(): Set<Digest> {
    return new Set([...this.offers.blobs(), ...[...this.#folded].map(({ weights }) => weights.digest)]);
  }
}
