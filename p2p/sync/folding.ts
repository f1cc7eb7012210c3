/**
 * Towards the heaviest history: which record to fold next, what is missing for it, and what turned out wrong with it.
 *
 * One fold at a time. A folded state is kept and journalled with its records and offers before anything builds on it
 * (law 6); a record is folded only if its bases are the states that this peer folded itself (law 3). A merge record is
 * folded from two states: the one that this peer did not fold is loaded by the name that the record gives it.
 * @module
 */
import type { Book } from "./book.ts";
import type { Context } from "./context.ts";
import { stateDigest } from "./digest.ts";
import type { Input } from "./effects.ts";
import type { Exchange } from "./exchange.ts";
import { journalState } from "./journaling.ts";
import { placeOf } from "./lineages.ts";
import { chainOf, type Link, type State } from "./link.ts";
import type { Loading } from "./loading.ts";
import type { Meeting } from "./meeting.ts";
import { reportScreen } from "./report.ts";
import { longestMs } from "./scribe.ts";
import type { ChainState, Digest } from "./types.ts";
import type { JoinedSets } from "../learner.ts";

/** A fold may fail because a blob was damaged on disk: it is fetched again, but not for ever. */
const MOST_FOLD_FAILURES = 3;
/** Share of a round for which the weights of a meeting are waited for. */
const MEETING_SHARE = 0.5;

export interface SceneOfFolding {
  readonly book: Book;
  readonly head: State;
  readonly loading: Loading;
  readonly meeting: Meeting;
  readonly exchange: Exchange;
}

export class Folding {
  #folding: Digest | null = null;
  /** The last record that was folded: whoever waits for blobs of one that follows it has begun to wait then. */
  #progress: { readonly record: Digest; readonly atMs: number } | null = null;
  /** Offers whose blobs are needed to fold towards heavier histories. */
  urgent: ReadonlySet<Digest> = new Set();
  /** A heavier history than ours is on its way: until when we believe in it. Null if there is none. */
  hopeUntilMs: number | null = null;

  /** There is no head to fold on. */
  close(): void {
    this.hopeUntilMs = null;
  }

  /** Whether a heavier history may still be folded here: all of it is here, or on its way. */
  hopes({ now }: Context, scene: SceneOfFolding): boolean {
    return scene.book.targets(scene.head).some(([next]) => now < this.#hopeUntilMs(scene, next!));
  }

  /** Begins the next fold towards the heaviest history whose blobs can be had, if they all are here. */
  run(context: Context, scene: SceneOfFolding): void {
    const { book, head } = scene, targets = book.targets(head);
    this.urgent = new Set(targets.flat().flatMap(({ record }) => record.body.counted.map(({ offer }) => offer)));
    const hopes = targets.map(([next]) => ({ next: next!, untilMs: this.#hopeUntilMs(scene, next!) }));
    const hope = hopes.find(({ untilMs }) => context.now < untilMs);
    this.hopeUntilMs = hope?.untilMs ?? null;
    if (this.#folding !== null) return;
    // A state that did not come in time is asked for again: it may be the only way to a history that is heavier still.
    // So is a side that cannot be folded here, because nobody gives what it counts.
    for (const [i, target] of targets.entries()) {
      const { next, untilMs } = hopes[i]!, isInVain = untilMs <= context.now;
      for (const link of isInVain ? target : [next]) this.#load(context, link, scene);
    }
    if (hope === undefined) return;

    const { next } = hope, parents = next.parents.map((parent) => book.stateOf(parent));
    const known = parents.filter((parent) => parent !== null);
    const wrong = known.find((parent) => ourBase(book, next, parent) !== baseFor(next, parent));
    const fault = wrong !== undefined
      ? `its base is ${baseFor(next, wrong)}, ours is ${ourBase(book, next, wrong)}`
      : whyBad(book, next);
    if (fault !== null) return this.#reject(context, book, { link: next, fault, parent: wrong });
    if (this.#lacksMet(next, scene)) return;
    if (known.length === parents.length) this.#begin(context, book, { next, parents: known });
  }

  /** The learner folded a record: it is kept and written down. */
  onFolded(context: Context, book: Book, { record, weights, screen }: Extract<Input, { kind: "folded" }>): void {
    if (this.#folding === record) this.#folding = null;
    const link = book.links.get(record);
    if (link?.stage.kind !== "complete") return;
    this.#progress = { record, atMs: context.now };
    const state = book.hold(link, weights)!;
    context.emit({ kind: "keep", weights });
    journalState(context, book, state);
    if (screen !== null) reportScreen(context, link, { screen, offers: book.countedOffers(link) ?? [] });
  }

  onFailed({ report, now }: Context, book: Book, { record, reason }: { record: Digest; reason: string }): void {
    if (this.#folding === record) this.#folding = null;
    const link = book.links.get(record);
    if (link === undefined) return;
    for (const held of book.countedOffers(link) ?? []) {
      if (held.signed.body.blob !== null) book.offers.judge(held, null);
    }
    if (link.parents.length > 1) this.#loseSides(book, link, now);
    if (book.countFailure(link) >= MOST_FOLD_FAILURES) {
      book.condemn(link, `it could not be folded: ${reason}`, { isCertain: false });
    }
    report({ kind: "waiting", reason: `record ${link.round} could not be folded: ${reason}` });
  }

  #begin(context: Context, book: Book, { next, parents }: { next: Link; parents: readonly State[] }): void {
    const { rulebook, options: { rules } } = context, { digest: record, record: { body } } = next;
    const [parent] = parents;
    if (parents.length > 1) {
      const sides = book.ancestry.sidesOf(next);
      // A record of a side could not be folded here. What others made of both sides is asked for as a state.
      if (sides === null) return book.condemn(next, "what it unites is not known here", { isCertain: false });
      context.emit({ kind: "merge", record, sets: rulebook.mergeShares(sides, body.weights) });
    } else if (body.met !== null) {
      const sets = rulebook.meetingSides(body, { met: body.met, own: parent!.weights.digest });
      context.emit({ kind: "merge", record, sets });
    } else {
      const offers = book.countedOffers(next)!;
      if (offers.some(({ verdict }) => verdict === null)) return;
      const counted = offers.map(({ signed }, i) => ({ counted: body.counted[i]!, offer: signed.body }));
      const { chain, weights } = parent!, after = chainOf(next)!, { lineages } = chain;
      const parts = rulebook.foldParts(counted, { rules, lineages });
      const joined = joinedBy(chain, after), sets = after.lineages.length;
      context.emit({ kind: "fold", record, parent: weights.digest, parts, joined, sets });
    }
    this.#folding = record;
    this.hopeUntilMs = Infinity;
  }

  /** What a merge record unites, or a meeting names, and this peer has not folded. */
  #load(context: Context, link: Link, scene: SceneOfFolding): void {
    const { parents, record: { body } } = link,
      { book, loading, exchange } = scene,
      from = exchange.donors(body.scribe);
    if (parents.length > 1) {
      parents.forEach((parent, i) => {
        const link = book.links.get(parent), chain = link && chainOf(link);
        if (!chain || book.stateOf(parent) !== null) return;
        loading.want(context, parent, { weights: body.weights[i]!, sets: chain.lineages.length, from });
      });
    } else if (body.met !== null && this.#lacksMet(link, scene)) {
      const [scribe, ...mates] = from, there = exchange.abroad.standing(exchange.others, body.met.record);
      const donors = scribe === undefined ? there : [scribe, ...there, ...mates];
      loading.want(context, body.met.record, { weights: body.met.weights, sets: 1, from: donors });
    }
  }

  #lacksMet({ record: { body: { met } } }: Link, { meeting }: SceneOfFolding): boolean {
    return met !== null && !meeting.has(met.weights.digest);
  }

  /** Weights that could not be merged may be damaged here: those of the foreign side are loaded again. */
  #loseSides(book: Book, { parents }: Link, nowMs: number): void {
    for (const parent of parents) {
      const state = book.stateOf(parent);
      if (state !== null && !state.link.journaled) book.lose(state.link, nowMs);
    }
  }

  /**
   * Adopt only what can be fetched: a record whose blobs stay missing for a round's longest wait is set aside; a meeting
   * sooner, since nobody waits for it with what the round counts.
   */
  #hopeUntilMs(scene: SceneOfFolding, link: Link): number {
    const { book, head } = scene;
    const offers = book.countedOffers(link), sinceMs = link.stage.kind === "complete" ? link.stage.sinceMs : 0;
    const turnAtMs = this.#progress !== null && link.parents.includes(this.#progress.record) ? this.#progress.atMs : 0;
    const isMissing = offers === null || offers.some(({ verdict }) => verdict === null) ||
      link.parents.some((parent) => book.stateOf(parent) === null);
    if (this.#lacksMet(link, scene)) return sinceMs + MEETING_SHARE * head.chain.roundMs;
    return isMissing ? Math.max(sinceMs, turnAtMs) + longestMs(head.chain.roundMs) : Infinity;
  }

  #reject({ report }: Context, book: Book, { link, fault, parent }: {
    readonly link: Link;
    readonly fault: string;
    readonly parent: State | undefined;
  }): void {
    const { scribe: peer } = link.record.body;
    if (parent !== undefined) {
      const { link: { digest }, base } = parent;
      report({ kind: "mismatch", record: digest, peer, mine: base, theirs: baseFor(link, parent) });
    }
    // Another base may be our own mistake.
    const isCertain = (book.countedOffers(link) ?? []).some(({ verdict }) => verdict?.valid === false);
    book.condemn(link, fault, { isCertain });
    report({ kind: "rejected", what: `record ${link.round}`, peer, reason: fault });
  }
}

/** A merge is of whole states, else a record follows the part that its cell sees. */
function ourBase(book: Book, { parents }: Link, { link, weights, base }: State): Digest {
  const whole = parents.length > 1 ? book.wholeOf(link) : null;
  return whole === null ? base : stateDigest(whole, weights.digest);
}

function baseFor({ record, parents }: Link, parent: State): Digest {
  return record.body.bases[parents.indexOf(parent.link.digest)]!;
}

/** The sets of a state before a record that its fold makes one; null: none. */
function joinedBy({ lineages }: ChainState, { round, merged }: ChainState): JoinedSets | null {
  if (merged?.round !== round) return null;
  const { kept, gone, shares } = merged;
  return { kept: placeOf(lineages, kept), gone: placeOf(lineages, gone), shares };
}

function whyBad(book: Book, link: Link): string | null {
  const offers = book.countedOffers(link);
  if (offers === null) return "its offers are no longer known";
  for (const { digest, verdict } of offers) {
    if (verdict?.valid === false) return `it counts offer ${digest} although ${verdict.reason}`;
  }
  return null;
}
