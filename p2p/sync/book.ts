/**
 * The records and offers that one peer knows, as far as they still matter: a tree of links with its recent rounds.
 *
 * A link becomes *complete* when its parent and its offers are known and it is valid: then its chain state and weight
 * follow. It becomes *folded* when its weights are. The book decides nothing; it is bounded (law 7), and older records
 * live in the journal alone.
 * @module
 */
import type { Verdict } from "../learner.ts";
import { stateDigest } from "./digest.ts";
import { abandonedCount } from "./fork.ts";
import type { Rulebook } from "./rulebook.ts";
import type { BlobName, ChainState, Digest, Offer, PeerId, RoundRecord, Signed, SyncRules } from "./types.ts";

/** Records not yet complete that are kept. */
const MOST_INCOMPLETE = 64;
/** Offers kept of one author beyond those that records count. */
const MOST_OFFERS_EACH = 16;

/** Rounds of records and contributions that are kept to bring others up to date; late offers need S + 2 of them. */
export function historyRounds({ lateRounds }: SyncRules): number {
  return Math.max(16, lateRounds + 2);
}

export interface Link {
  readonly digest: Digest;
  readonly record: Signed<RoundRecord>;
  readonly parent: Digest | null;
  /** Null while incomplete. */
  chain: ChainState | null;
  /** Weights and digest of the folded state; weights are null again once forgotten. */
  weights: BlobName | null;
  base: Digest | null;
  /** Why it will never be adopted. */
  fault: string | null;
  foldFailures: number;
  /** Whether the journal has the record. */
  journaled: boolean;
  /** When it was received, then when it became complete. */
  sinceMs: number;
}

export interface HeldOffer {
  readonly digest: Digest;
  readonly signed: Signed<Offer>;
  readonly receivedAtMs: number;
  /** Null until its blob is stored and judged; changed by `Book.judge` alone. */
  readonly verdict: Verdict | null;
  journaled: boolean;
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/** The record of a history that counts an offer. */
export interface Counting {
  readonly round: number;
  readonly parent: Digest;
}

export interface CountedBy {
  readonly by: ReadonlyMap<Digest, Counting>;
  /** First round whose record is known: what an older one counted is not. */
  readonly sinceRound: number;
  /** Whether this history is known to share its older records with the one before. */
  readonly continues: boolean;
}

export interface AddOfferOptions {
  readonly nowMs: number;
  /** Made by this peer: its blob is stored, and nobody need judge it. */
  readonly own: boolean;
  readonly journaled: boolean;
  /** Beyond so many authors none is added: for offers of strangers, who are quickly made. */
  readonly mostAuthors?: number;
}

export class Book {
  readonly links = new Map<Digest, Link>();
  readonly offers = new Map<Digest, HeldOffer>();
  /** Offers without a verdict, and those of each parent and of each author: asked for with every input. */
  readonly unjudged = new Set<HeldOffer>();
  readonly #byParent = new Map<Digest, HeldOffer[]>();
  readonly #countOf = new Map<PeerId, number>();
  readonly #rules: SyncRules;
  readonly #rulebook: Rulebook;

  constructor(rules: SyncRules, rulebook: Rulebook) {
    this.#rules = rules;
    this.#rulebook = rulebook;
  }

  /** Adds an offer, or does nothing if its author has too many waiting, or too many authors have some. */
  addOffer(digest: Digest, signed: Signed<Offer>, options: AddOfferOptions): void {
    if (this.offers.has(digest)) return;
    const { peer, parent, blob } = signed.body;
    const count = this.#countOf.get(peer) ?? 0;
    const isTooMany = count >= MOST_OFFERS_EACH + 2 * this.#rules.rosterRounds ||
      count === 0 && this.#countOf.size >= (options.mostAuthors ?? Infinity);
    if (isTooMany && !this.#isWanted(digest)) return;
    const verdict: Verdict | null = options.own || blob === null ? { valid: true, norm: 0 } : null;
    const held = { digest, signed, receivedAtMs: options.nowMs, verdict, journaled: options.journaled };
    this.offers.set(digest, held);
    this.#countOf.set(peer, count + 1);
    const same = this.#byParent.get(parent);
    if (same === undefined) this.#byParent.set(parent, [held]);
    else same.push(held);
    if (verdict === null) this.unjudged.add(held);
  }

  /** Enters what became of an offer's blob; null: it must be fetched and judged again. */
  judge(held: Mutable<HeldOffer>, verdict: Verdict | null): void {
    held.verdict = verdict;
    if (verdict === null) this.unjudged.add(held);
    else this.unjudged.delete(held);
  }

  /** Offers trained on one record, in the order in which they came. */
  offersOn(parent: Digest): readonly HeldOffer[] {
    return this.#byParent.get(parent) ?? [];
  }

  /** Whether another peer's offer brought the same contribution before. */
  whyCopied({ peer, blob }: Offer): string | null {
    if (blob === null) return null;
    const original = [...this.offers.values()].find(({ signed: { body } }) =>
      body.blob?.digest === blob.digest && body.peer !== peer
    );
    return original === undefined
      ? null
      : `it is copied: its contribution is that of an earlier offer of ${original.signed.body.peer}`;
  }

  /** Records that a scribe wrote on the same parents: an honest scribe writes one. */
  recordsBy(scribe: PeerId, parents: readonly Digest[]): readonly Digest[] {
    const wanted = parents.join();
    return [...this.links.values()]
      .filter(({ record: { body } }) => body.scribe === scribe && body.parents.join() === wanted)
      .map(({ digest }) => digest);
  }

  addRecord(digest: Digest, record: Signed<RoundRecord>, options: { nowMs: number; journaled: boolean }): void {
    if (this.links.has(digest)) return;
    this.links.set(digest, { ...newLink(digest, record), journaled: options.journaled, sinceMs: options.nowMs });
    const incomplete = [...this.links.values()].filter(({ chain, fault }) => chain === null && fault === null);
    if (incomplete.length <= MOST_INCOMPLETE) return;
    incomplete.sort((a, b) => a.record.body.round - b.record.body.round);
    this.links.delete(incomplete[0]!.digest);
  }

  /** Adds or completes a link whose state is known: genesis, our own disk, or what another peer gave. */
  addState(record: Signed<RoundRecord>, state: { chain: ChainState; weights: BlobName }): Link {
    const digest = state.chain.head;
    const link = this.links.get(digest) ?? newLink(digest, record);
    link.chain = state.chain;
    link.weights = state.weights;
    link.base = stateDigest(state.chain, state.weights.digest);
    link.fault = null;
    this.links.set(digest, link);
    return link;
  }

  /** Completes what can be completed; returns the links found invalid, with their reasons in `fault`. */
  resolve(nowMs: number): readonly Link[] {
    const invalid: Link[] = [];
    for (let changed = true; changed;) {
      changed = false;
      for (const link of this.links.values()) {
        if (link.chain !== null || link.fault !== null || link.parent === null) continue;
        const parent = this.links.get(link.parent);
        if (parent?.fault) link.fault = "it follows an invalid record";
        else if (parent?.chain) this.#complete(link, parent.chain, nowMs);
        if (link.fault !== null) invalid.push(link);
        if (link.fault !== null || link.chain !== null) changed = true;
      }
    }
    return invalid;
  }

  /** The offers that a record counts, in its order, or null while some are unknown. */
  countedOffers({ record }: Link): readonly HeldOffer[] | null {
    const offers = record.body.counted.map(({ offer }) => this.offers.get(offer));
    return offers.every((held) => held !== undefined) ? offers : null;
  }

  /** Complete histories that beat `head`, heaviest first, each with the links to fold, oldest first. */
  targets(head: Link): readonly (readonly Link[])[] {
    return [...this.links.values()]
      .filter(({ chain }) => chain !== null && this.#rulebook.isHeavier(chain, head.chain!))
      .sort((a, b) => this.#rulebook.isHeavier(a.chain!, b.chain!) ? -1 : 1)
      .flatMap((link) => {
        const path = this.#pathTo(link);
        return path === null || path.length === 0 ? [] : [path];
      });
  }

  /** The heaviest history whose state is folded; `head` if none beats it. */
  heaviestFolded(head: Link): Link {
    let best = head;
    for (const link of this.links.values()) {
      if (link.weights !== null && this.#rulebook.isHeavier(link.chain!, best.chain!)) best = link;
    }
    return best;
  }

  /** What is needed to complete the links that could matter. */
  missing(): { readonly offers: readonly Digest[]; readonly parents: readonly Digest[] } {
    const offers = new Set<Digest>(), parents = new Set<Digest>();
    for (const { chain, fault, parent, record } of this.links.values()) {
      if (chain !== null || fault !== null) continue;
      if (parent !== null && !this.links.has(parent)) parents.add(parent);
      for (const { offer } of record.body.counted) if (!this.offers.has(offer)) offers.add(offer);
    }
    return { offers: [...offers].sort(), parents: [...parents].sort() };
  }

  /** Which record of this history counts which offer, as far back as is known. */
  countedBy(head: Link, before: Link | null): CountedBy {
    const by = new Map<Digest, Counting>();
    let oldest = head;
    for (const link of this.ancestry(head)) {
      const { round, parents, counted } = link.record.body;
      for (const { offer } of counted) by.set(offer, { round, parent: parents[0]! });
      oldest = link;
    }
    const recent = oldest.chain?.recent ?? [];
    const { round } = oldest.record.body;
    recent.forEach(({ parents, counted }, back) => {
      for (const offer of counted) by.set(offer, { round: round - back, parent: parents[0]! });
    });
    const continues = before === null || this.abandonedCount(before, head) !== null;
    return { by, sinceRound: round + 1 - Math.max(1, recent.length), continues };
  }

  /** Records of `from` that adopting `to` abandons; null if their common ancestor is not known. */
  abandonedCount(from: Link, to: Link): number | null {
    return abandonedCount(from.digest, to.digest, (record) => this.links.get(record)?.parent ?? null);
  }

  /** From `link` back to the oldest known ancestor, itself first. */
  *ancestry(link: Link): Generator<Link> {
    for (let at: Link | undefined = link; at !== undefined;) {
      yield at;
      at = at.parent === null ? undefined : this.links.get(at.parent);
    }
  }

  /** Drops what is older than the given rounds and returns the blobs that nothing left refers to. */
  prune(head: Link, options: { historyRound: number; weightsRound: number }): readonly Digest[] {
    const before = this.#blobs();
    for (const link of this.links.values()) {
      if (link === head) continue;
      const { round } = link.record.body;
      if (round < options.weightsRound) link.weights = null;
      if (round < options.historyRound) this.links.delete(link.digest);
    }
    for (const held of this.offers.values()) if (held.signed.body.round < options.historyRound) this.#drop(held);
    const after = this.#blobs();
    return [...before].filter((blob) => !after.has(blob)).sort();
  }

  #complete(link: Link, parent: ChainState, nowMs: number): void {
    const offers = this.countedOffers(link)?.map(({ signed }) => signed.body);
    if (offers === undefined) return;
    const { digest } = link, record = link.record.body, rules = this.#rules;
    link.fault = this.#rulebook.whyInvalid(record, offers, { parent, rules });
    if (link.fault !== null) return;
    link.chain = this.#rulebook.advance(parent, { record, digest, offers, rules });
    link.sinceMs = nowMs;
  }

  #drop(held: HeldOffer): void {
    const { peer, parent } = held.signed.body;
    this.offers.delete(held.digest);
    this.unjudged.delete(held);
    const count = this.#countOf.get(peer)! - 1;
    if (count > 0) this.#countOf.set(peer, count);
    else this.#countOf.delete(peer);
    const left = this.#byParent.get(parent)!.filter((other) => other !== held);
    if (left.length > 0) this.#byParent.set(parent, left);
    else this.#byParent.delete(parent);
  }

  /** Links to fold, oldest first, so that `link` becomes folded; null if that cannot be. */
  #pathTo(link: Link): readonly Link[] | null {
    const path: Link[] = [];
    for (const at of this.ancestry(link)) {
      if (at.weights !== null) return path.reverse();
      if (at.fault !== null) return null;
      path.push(at);
    }
    return null;
  }

  #isWanted(offer: Digest): boolean {
    return [...this.links.values()].some(({ chain, record }) =>
      chain === null && record.body.counted.some((counted) => counted.offer === offer)
    );
  }

  #blobs(): Set<Digest> {
    const blobs = new Set<Digest>();
    for (const { weights } of this.links.values()) if (weights !== null) blobs.add(weights.digest);
    for (const { signed } of this.offers.values()) if (signed.body.blob !== null) blobs.add(signed.body.blob.digest);
    return blobs;
  }
}

function newLink(digest: Digest, record: Signed<RoundRecord>): Link {
  return {
    digest,
    record,
    parent: record.body.parents[0] ?? null,
    chain: null,
    weights: null,
    base: null,
    fault: null,
    foldFailures: 0,
    journaled: false,
    sinceMs: 0,
  };
}
