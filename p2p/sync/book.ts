/**
 * The records and offers that one peer knows, as far as they still matter.
 *
 * A record becomes *complete* when its parents and its offers are known and it is valid: then its chain state follows.
 * It becomes *folded* when this peer keeps its weights. What is asked for with every input looks only at the last
 * rounds; older records and the offers that they count lie in an archive, found by digest alone, for histories that
 * parted long ago. The book decides nothing; it is bounded (law 7), and what is older still lives in the journal alone.
 * @module
 */
import type { Verdict } from "../learner.ts";
import { bodyDigest, stateDigest } from "./digest.ts";
import { exclusive } from "./fork.ts";
import { type Chapter, inOrder, type Side, type Sides } from "./merge.ts";
import { OfferShelf } from "./offer_shelf.ts";
import { neighbourhood } from "./recent.ts";
import type { Rulebook } from "./rulebook.ts";
import type { BlobName, ChainState, Digest, Offer, PeerId, RoundRecord, Signed, SyncRules } from "./types.ts";

/** Records not yet complete that are kept. */
const MOST_INCOMPLETE = 64;
const FOLLOWS_INVALID = "it follows an invalid record";
/** Records of all histories together. */
const MOST_LINKS = 1024;

/** Rounds of contributions and states that are kept to bring others up to date; late offers need S + 2 of them. */
export function historyRounds({ lateRounds }: SyncRules): number {
  return Math.max(16, lateRounds + 2);
}

/** Rounds of records and offers that are kept: histories that parted within them can be merged. */
export const ARCHIVE_ROUNDS = 256;

export interface Link {
  readonly digest: Digest;
  readonly record: Signed<RoundRecord>;
  readonly round: number;
  readonly parents: readonly Digest[];
  /** Changed by the book alone. */
  readonly stage: Stage;
  /** Whether the journal has the record, with the offers it counts. */
  journaled: boolean;
}

/** How far this peer has come with a record. */
export type Stage =
  /** Its parents or its offers are not all known. */
  | { readonly kind: "incomplete"; readonly sinceMs: number }
  /** It will never be adopted. */
  | { readonly kind: "invalid"; readonly fault: string; readonly isCertain: boolean }
  /** Valid, and its weights are not here. */
  | { readonly kind: "complete"; readonly chain: ChainState; readonly sinceMs: number; readonly failures: number }
  /** Its weights are kept. */
  | { readonly kind: "folded"; readonly state: State }
  /** Valid, and too old to be folded or adopted; its state digest, if it was folded. */
  | { readonly kind: "past"; readonly chain: ChainState; readonly base: Digest | null };

/** A state that this peer can train on, fold on and hand out. */
export interface State {
  readonly link: Link;
  readonly chain: ChainState;
  readonly base: Digest;
  readonly weights: BlobName;
}

export interface HeldOffer {
  readonly digest: Digest;
  readonly signed: Signed<Offer>;
  readonly receivedAtMs: number;
  /** Null until its blob is stored and judged; changed by `Book.judge` alone. */
  readonly verdict: Verdict | null;
  journaled: boolean;
}

export interface AddOfferOptions {
  readonly nowMs: number;
  /** Made by this peer: its blob is stored, and nobody need judge it. */
  readonly own: boolean;
  readonly journaled: boolean;
  /** Beyond so many authors none is added: for offers of strangers, who are quickly made. */
  readonly mostAuthors?: number;
}

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
  readonly #rules: SyncRules;
  readonly #rulebook: Rulebook;
  readonly #incomplete = new Set<Link>();
  readonly #unfolded = new Set<Link>();
  readonly #folded = new Set<State>();
  /** Whether the fork to a record is deep, for one head. */
  readonly #deep = new Map<Digest, boolean>();
  #deepFor: Digest | null = null;

  constructor(rules: SyncRules, rulebook: Rulebook) {
    this.#rules = rules;
    this.#rulebook = rulebook;
    this.offers = new OfferShelf(rules, (offer) => this.#isWanted(offer));
  }

  addRecord(digest: Digest, record: Signed<RoundRecord>, options: { nowMs: number; journaled: boolean }): void {
    if (this.links.has(digest)) return;
    this.#add(digest, record, { kind: "incomplete", sinceMs: options.nowMs }).journaled = options.journaled;
    if (this.#incomplete.size <= MOST_INCOMPLETE) return;
    const [oldest] = [...this.#incomplete].sort((a, b) => a.round - b.round);
    this.#remove(oldest!);
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
  lose({ link, chain }: State, nowMs: number): void {
    const isKnown = this.countedOffers(link) !== null;
    const stage = { kind: "complete", chain, sinceMs: nowMs, failures: 0 } as const;
    this.#set(link, isKnown ? stage : { kind: "incomplete", sinceMs: nowMs });
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

  /** Completes what can be completed; returns the links found invalid. */
  resolve(nowMs: number): readonly { readonly link: Link; readonly fault: string }[] {
    const invalid: { link: Link; fault: string }[] = [];
    for (let changed = true; changed;) {
      changed = false;
      for (const link of [...this.#incomplete].sort((a, b) => a.round - b.round)) {
        const done = this.#tryComplete(link);
        if (done === null) continue;
        changed = true;
        if (typeof done !== "string") {
          this.#set(link, { kind: "complete", chain: done, sinceMs: nowMs, failures: 0 });
          continue;
        }
        this.condemn(link, done, { isCertain: done !== FOLLOWS_INVALID || this.whyHopeless(link) !== null });
        invalid.push({ link, fault: done });
      }
    }
    return invalid;
  }

  /** The offers that a record counts, in its order, or null while some are unknown. */
  countedOffers({ record }: Link): readonly HeldOffer[] | null {
    const offers = record.body.counted.map(({ offer }) => this.offers.find(offer));
    return offers.every((held) => held !== undefined) ? offers : null;
  }

  /** Records that a scribe wrote on the same parents: an honest scribe writes one. */
  recordsBy(scribe: PeerId, parents: readonly Digest[]): readonly Digest[] {
    const wanted = parents.join();
    return [...this.links.values()]
      .filter(({ record: { body }, parents }) => body.scribe === scribe && parents.join() === wanted)
      .map(({ digest }) => digest);
  }

  /** Why no state after this record can be right: something on the way to it is not, as every peer would find. */
  whyHopeless(link: Link): string | null {
    for (const { stage, round } of this.ancestry(link)) {
      if (stage.kind === "invalid" && stage.isCertain) return `record ${round} is invalid: ${stage.fault}`;
    }
    return null;
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

  /** The heaviest folded state that may be adopted in place of `head`; `head` if there is none. */
  heaviestFolded(head: State): State {
    let best = head;
    for (const state of this.#folded) {
      if (this.#rulebook.isHeavier(state.chain, best.chain) && !this.isDeep(head, state.link)) best = state;
    }
    return best;
  }

  /** Folded states that `head` must be merged with. */
  foldedRivals(head: State): readonly State[] {
    return [...this.#folded].filter(({ link }) => this.isDeep(head, link));
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
      const isLighter = this.#rulebook.isHeavier(head.chain, chain), most = this.#rules.lateRounds;
      const [lighter, heavier] = isLighter ? [link, head.link] : [head.link, link];
      const own = this.exclusive(lighter, heavier, most);
      if (own === null) return false;
      isDeep = own.length >= most && this.sidesOf({ parents: [lighter.digest, heavier.digest] }) !== null;
      this.#deep.set(link.digest, isDeep);
    }
    return isDeep;
  }

  /** Records of the history of `ours` that are not in that of `theirs`, the latest first; null if that is not known. */
  exclusive(ours: Link, theirs: Link, most?: number): readonly Link[] | null {
    return this.exclusiveOf([ours], [theirs], most);
  }

  exclusiveOf(ours: readonly Link[], theirs: readonly Link[], most?: number): readonly Link[] | null {
    return exclusive(ours, theirs, { find: (record) => this.links.get(record), ...most !== undefined && { most } });
  }

  /** The two histories that a merge record unites, the heavier first, or null while something of them is unknown. */
  sidesOf({ parents }: Pick<Link, "parents">): Sides | null {
    const [one, other] = parents.map((parent) => this.links.get(parent));
    if (one === undefined || other === undefined) return null;
    const sides = [this.#side(one, other), this.#side(other, one)];
    return sides[0] && sides[1] ? inOrder(sides[0], sides[1]) : null;
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

  /** Records that are known with all that leads to them, and that no other such record follows: the latest first. */
  ends(): readonly Link[] {
    const grounded = new Set<Link>(), followed = new Set<Digest>();
    for (const link of [...this.links.values()].sort((a, b) => a.round - b.round)) {
      const parents = link.parents.map((parent) => this.links.get(parent));
      const isKnown = link.stage.kind === "incomplete"
        ? parents.every((parent) => parent !== undefined && grounded.has(parent))
        : link.stage.kind !== "invalid";
      if (!isKnown) continue;
      grounded.add(link);
      link.parents.forEach((parent) => followed.add(parent));
    }
    return [...grounded].filter(({ digest }) => !followed.has(digest)).reverse();
  }

  /** This record and its ancestors, as far as they are known: the latest round first. */
  ancestry(link: Link): readonly Link[] {
    const known = new Set([link]);
    for (const { parents } of known) {
      for (const parent of parents) {
        const found = this.links.get(parent);
        if (found !== undefined) known.add(found);
      }
    }
    return [...known].sort((a, b) => b.round - a.round || (a.digest < b.digest ? -1 : 1));
  }

  /** Records not yet journaled among this one and its ancestors, oldest first. */
  unjournaled(link: Link): readonly Link[] {
    const found = new Set(link.journaled ? [] : [link]);
    for (const { parents } of found) {
      for (const digest of parents) {
        const parent = this.links.get(digest);
        if (parent !== undefined && !parent.journaled) found.add(parent);
      }
    }
    return [...found].sort((a, b) => a.round - b.round);
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
    });
    const after = this.#blobs();
    return [...before].filter((blob) => !after.has(blob)).sort();
  }

  /** Its state if it is complete, or why it is invalid; null while it is neither. */
  #tryComplete(link: Link): ChainState | string | null {
    const parents = link.parents.map((parent) => this.links.get(parent));
    if (parents.some((parent) => parent?.stage.kind === "invalid")) return FOLLOWS_INVALID;
    const { digest } = link, record = link.record.body, rules = this.#rules;
    if (parents.length > 1) {
      const sides = this.sidesOf(link);
      if (sides === null) return null;
      const context = { record, digest, rules };
      return this.#rulebook.whyInvalidMerge(record, sides, rules) ?? this.#rulebook.unite(sides, context);
    }
    const parent = parents[0] && chainOf(parents[0]);
    const offers = parent && this.countedOffers(link)?.map(({ signed }) => signed.body);
    if (!parent || !offers) return null;
    const fault = this.#rulebook.whyInvalid(record, offers, { parent, rules });
    return fault ?? this.#rulebook.advance(parent, { record, digest, offers, rules });
  }

  #side(link: Link, other: Link): Side | null {
    const chain = chainOf(link), own = this.exclusive(link, other);
    const chapters = own && this.#chapters(own);
    if (chain === null || !chapters) return null;
    // What a merge record of this side's own brought in may be shared, and then its offers are as well.
    const shared = new Set<Digest>();
    for (const { parents } of own.filter(({ parents }) => parents.length > 1)) {
      const [one, two] = parents.map((parent) => this.links.get(parent));
      const [left, right] = one && two ? [this.exclusive(one, two), this.exclusive(two, one)] : [null, null];
      if (left === null || right === null) return null;
      for (const link of [...left, ...right].filter((link) => !own.includes(link))) {
        for (const { offer } of link.record.body.counted) shared.add(offer);
      }
    }
    const inOrder = (a: Chapter, b: Chapter) =>
      a.record.round - b.record.round || (bodyDigest(a.record) < bodyDigest(b.record) ? -1 : 1);
    return { chain, own: chapters.toSorted(inOrder), shared };
  }

  /** These records with their offers, or null while some of that, or a state before them, is unknown. */
  #chapters(links: readonly Link[]): readonly Chapter[] | null {
    const chapters = links.map((link): Chapter | null => {
      const offers = this.countedOffers(link), parent = this.links.get(link.parents[0]!);
      const before = parent && chainOf(parent);
      if (!before || offers === null) return null;
      return { record: link.record.body, offers: offers.map(({ signed }) => signed.body), usual: before.usual };
    });
    return chapters.every((chapter) => chapter !== null) ? chapters : null;
  }

  #mayReplace(head: State, link: Link): boolean {
    return this.#rulebook.isHeavier(chainOf(link)!, head.chain) && !this.isDeep(head, link);
  }

  /**
   * Links to fold, oldest first, so that `link` becomes folded; null if that cannot be. What a merge record unites is
   * folded if it is a few records away, else loaded by name.
   */
  #pathTo(link: Link, most: number): readonly Link[] | null {
    if (link.stage.kind === "folded") return [];
    if (link.stage.kind !== "complete" || most === 0) return null;
    const near = link.parents.length > 1 ? this.#rules.lateRounds - 1 : most - 1;
    const paths = link.parents.map((parent) => this.links.get(parent)).map((parent) =>
      parent === undefined ? null : this.#pathTo(parent, Math.min(near, most - 1))
    );
    if (link.parents.length > 1) return [...paths.flatMap((path) => path ?? []), link];
    return paths[0] ? [...paths[0], link] : null;
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
  }

  /** Forks beyond all measure go, oldest first, and the history of `head` last. */
  #removeSurplus(head: State): void {
    if (this.links.size <= MOST_LINKS) return;
    const own = new Set(this.ancestry(head.link));
    const others = [...this.links.values()].filter((link) => !own.has(link)).sort((a, b) => a.round - b.round);
    others.slice(0, this.links.size - MOST_LINKS).forEach((link) => this.#remove(link));
  }

  #blobs(): Set<Digest> {
    const blobs = this.offers.blobs();
    for (const { weights } of this.#folded) blobs.add(weights.digest);
    return blobs;
  }
}

/** The chain state after a record, if it is complete. */
export function chainOf({ stage }: Link): ChainState | null {
  switch (stage.kind) {
    case "incomplete":
    case "invalid":
      return null;
    case "complete":
    case "past":
      return stage.chain;
    case "folded":
      return stage.state.chain;
    default:
      return stage satisfies never;
  }
}
