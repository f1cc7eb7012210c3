/**
 * One peer's part in closing rounds: whether it should write the record after the present head now, and if not now,
 * when to think again.
 * @module
 */
import type { Book } from "./book.ts";
import type { HeldOffer, State } from "./link.ts";
import { closing, type Expected } from "./closing.ts";
import type { Context } from "./context.ts";
import type { Exchange } from "./exchange.ts";
import { ageOf } from "./record.ts";
import { isMember } from "./roster.ts";
import { attemptOf, longestMs, rankedBy, ranking, takeoverMs } from "./scribe.ts";
import type { ChainState, Change, Counted, Digest, Member, Offer, PeerId, Signed } from "./types.ts";

/** Of those who ask to be admitted, so many at most are given time to write before another one. */
const MOST_STRANGERS_BEFORE = 4;

export interface SceneOfRound {
  readonly book: Book;
  readonly head: State;
  readonly exchange: Exchange;
  /** A heavier history is on its way: do not write a rival until then. Null if there is none. */
  readonly hopeUntilMs: number | null;
  /** Whether nobody gave the blob of an offer when it was asked for. */
  readonly isMissed: (offer: Digest) => boolean;
  readonly isFounder: boolean;
  /** The change of members that the record has to carry, if any. */
  readonly change: Signed<Change> | null;
  /** When our own box ends. */
  readonly boxEndsAtMs: number;
}

export interface ToWrite {
  readonly counted: readonly Counted[];
  readonly attempt: number;
  readonly change: Signed<Change> | null;
  readonly reason: string;
}

export class Scribing {
  #openedAtMs = 0;
  #attempt = 0;
  #before: readonly PeerId[] = [];
  /** Since when the first in rank could have closed, as we see it. */
  #closableSinceMs: number | null = null;
  /** What each peer's last offer promised, in our time. */
  readonly #promisedAtMs = new Map<PeerId, number>();
  deadline = Infinity;

  get size(): number {
    return this.#promisedAtMs.size;
  }

  /** A head was adopted. */
  open({ now, options }: Context, chain: ChainState): void {
    const ranked = ranking(chain);
    this.#openedAtMs = now;
    this.#attempt = attemptOf(chain, options.self);
    this.#before = ranked.slice(0, this.#attempt);
    this.#closableSinceMs = null;
    const members = new Set(ranked);
    for (const peer of this.#promisedAtMs.keys()) if (!members.has(peer)) this.#promisedAtMs.delete(peer);
  }

  /** There is no head to follow. */
  close(): void {
    this.deadline = Infinity;
  }

  /** A member's offer came, and with it a promise. */
  onOffer({ now }: Context, { signed: { body } }: HeldOffer, { roster }: ChainState): void {
    if (isMember(roster, body.peer)) this.#promisedAtMs.set(body.peer, now + body.nextMs);
  }

  /** What to write now, or null; then `deadline` says when to ask again, unless something comes first. */
  decide(context: Context, scene: SceneOfRound): ToWrite | null {
    this.deadline = Infinity;
    const { now } = context;
    const { head, exchange, hopeUntilMs } = scene;
    const chain = head.chain;
    if (hopeUntilMs !== null) {
      this.deadline = hopeUntilMs;
      return null;
    }
    if (now < scene.boxEndsAtMs && scene.boxEndsAtMs < Infinity && this.#attempt < chain.roster.length) {
      this.#closableSinceMs = null; // `closing()` would wait for us, if for nobody else
      this.deadline = scene.boxEndsAtMs;
      return null;
    }
    const present = chain.roster.filter(({ peer }) =>
      peer === context.options.self || exchange.isPresent(peer, now, chain)
    );
    const decision = closing(this.#expect(present, scene, context.options.self), {
      nowMs: now,
      openedAtMs: this.#openedAtMs,
      boxEndsAtMs: this.#openedAtMs + chain.roundMs,
      longestMs: longestMs(chain.roundMs),
    });
    if (!decision.close) {
      this.#closableSinceMs = null;
      this.deadline = decision.againAtMs;
      return null;
    }
    const before = this.#beforeUs(context, scene);
    const writeAtMs = (this.#closableSinceMs ?? now) + before * takeoverMs(chain.roundMs);
    // With many peers this is the costly part: not before it could lead to anything.
    if (this.#closableSinceMs === null || now >= writeAtMs) {
      const counted = this.#countable(context, scene);
      const mayWrite = this.#attempt < chain.roster.length || counted.some(({ peer }) => peer === context.options.self);
      if (counted.length === 0 || !mayWrite) return null; // who is no member must be admitted by what it writes
      this.#closableSinceMs ??= now;
      if (now >= writeAtMs) {
        const reason = before === 0 ? decision.reason : `${before} earlier in rank wrote nothing; ${decision.reason}`;
        return { counted, attempt: this.#attempt, change: scene.change, reason };
      }
    }
    this.deadline = writeAtMs;
    return null;
  }

  #countable({ rulebook, options: { rules } }: Context, { book, head, change }: SceneOfRound): readonly Counted[] {
    const chain = head.chain, offers: (readonly [Digest, Offer])[] = [];
    for (const { digest, signed: { body }, verdict } of book.offers.values()) {
      if (verdict?.valid === true && ageOf(body, chain) <= rules.lateRounds) offers.push([digest, body]);
    }
    return rulebook.selectCounted(offers, { parent: chain, base: head.base, rules, change });
  }

  /**
   * How many are to be given time to write before us. Nobody has a rank at genesis: whoever founds the run begins. Of many
   * that ask to be admitted when no member is left, not all write at once.
   */
  #beforeUs({ now, options: { self } }: Context, { book, head: { chain }, exchange, isFounder }: SceneOfRound): number {
    if (chain.roster.length === 0) return isFounder ? 0 : exchange.connected.length;
    const members = this.#before.filter((peer) => exchange.isPresent(peer, now, chain)).length;
    if (this.#attempt < chain.roster.length) return members;
    const asking = new Set(book.offers.on(chain.head).map(({ signed: { body } }) => body.peer));
    const strangers = [...asking].filter((peer) => !isMember(chain.roster, peer)).map((peer) => ({ peer }));
    const place = rankedBy(strangers, { parent: chain.head }).indexOf(self);
    return members + (place === -1 ? MOST_STRANGERS_BEFORE : Math.min(place, MOST_STRANGERS_BEFORE));
  }

  #expect(
    present: readonly Member[],
    { book, head, boxEndsAtMs, isMissed }: SceneOfRound,
    self: PeerId,
  ): readonly Expected[] {
    const { roster, roundMs } = head.chain;
    const fastest = roster.reduce((most, { speed }) => Math.max(most, speed), 1);
    // Whose disk has lost an offer makes another: of each the first that can be counted, or else may come to be.
    const offers = new Map<PeerId, HeldOffer>();
    const hopeOf = ({ digest, verdict }: HeldOffer) => verdict?.valid === true ? 2 : isMissed(digest) ? 0 : 1;
    for (const held of book.offers.on(head.chain.head)) {
      const { peer } = held.signed.body, other = offers.get(peer);
      if (other === undefined || hopeOf(held) > hopeOf(other)) offers.set(peer, held);
    }
    // Boxes begin when a head is adopted: nobody who has not offered yet will do so much before ours would end.
    const boxMs = this.#openedAtMs + roundMs;
    return present.map(({ peer, speed }) => {
      const offer = offers.get(peer);
      const ownMs = peer === self && boxEndsAtMs < Infinity ? boxEndsAtMs : undefined;
      const promisedMs = Math.max(boxMs, this.#promisedAtMs.get(peer) ?? boxMs);
      return {
        peer,
        // Nobody waits for what was asked for in vain; if it comes all the same, the next record counts it.
        tokens: offer !== undefined && isMissed(offer.digest) ? 0 : (speed || fastest) * roundMs / 1000,
        promisedAtMs: offer?.receivedAtMs ?? ownMs ?? promisedMs,
        // An offer whose blob is not here yet, or not yet judged, still may be waited for.
        offered: offer !== undefined && offer.verdict !== null,
      };
    });
  }
}
