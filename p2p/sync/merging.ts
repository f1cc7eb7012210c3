/**
 * One peer's part in making one history of two: whether it should write a merge record now, and if not now, when to
 * think again.
 *
 * A rival is the head that a connected peer speaks for, if its history and ours parted too long ago for either to be
 * given up. Whoever is first in rank gets the rival's weights, checks that the rest of that state is what the records
 * give, and writes; the others give it time, as in any round. Meanwhile both sides go on with their rounds.
 * @module
 */
import type { Book } from "./book.ts";
import { chainOf, type Link, type State } from "./link.ts";
import { beatMs, type Context } from "./context.ts";
import { chainDigest } from "./digest.ts";
import type { Exchange } from "./exchange.ts";
import type { Loading } from "./loading.ts";
import { buildMergeRecord, mergeRanking } from "./merge.ts";
import { takeoverMs } from "./scribe.ts";
import type { ChainState, Digest, PeerId, RoundRecord, StateAt } from "./types.ts";

/** Peers asked at once for the weights of a rival. */
const MOST_ASKED = 3;

export interface SceneOfMerge {
  readonly book: Book;
  readonly head: State;
  readonly exchange: Exchange;
  readonly loading: Loading;
  /** A heavier history is on its way: do not write a rival until then. Null if there is none. */
  readonly hopeUntilMs: number | null;
}

export interface MergeToWrite {
  readonly record: RoundRecord;
  readonly reason: string;
}

export class Merging {
  /** The head that each connected peer spoke for last. */
  readonly #spokenFor = new Map<PeerId, Digest>();
  /** Since when there has been a rival, as we see it. */
  #sinceMs: number | null = null;
  #askAtMs = -Infinity;
  /** The record of the rival, once there is one. */
  rival: Digest | null = null;
  deadline = Infinity;

  onBeat(peer: PeerId, head: Digest): void {
    this.#spokenFor.set(peer, head);
  }

  /** There is no head to merge with. */
  close(): void {
    this.#sinceMs = null;
    this.rival = null;
    this.deadline = Infinity;
  }

  /** It is connected no more, or speaks for a head that cannot be ours. */
  left(peer: PeerId): void {
    this.#spokenFor.delete(peer);
  }

  /** What to write now, or null; then `deadline` says when to ask again, unless something comes first. */
  decide(context: Context, scene: SceneOfMerge): MergeToWrite | null {
    const { now, options: { self } } = context, { book, head, exchange, hopeUntilMs } = scene;
    this.deadline = Infinity;
    const rival = this.#findRival(context, book, head), chain = rival && chainOf(rival);
    this.rival = rival?.digest ?? null;
    if (rival === null || chain === null) {
      this.#sinceMs = null;
      return null;
    }
    this.#sinceMs ??= now;
    const isHeavier = context.rulebook.isHeavier(chain, head.chain);
    const [ours, theirs] = [head.link, rival].map((link) => ({ chain: book.wholeOf(link) ?? chainOf(link)! }));
    const ranked = mergeRanking(isHeavier ? [theirs!, ours!] : [ours!, theirs!]), rank = ranked.indexOf(self);
    if (rank === -1) return null; // whoever is no member of either has no say in it
    const { roundMs } = head.chain;
    const before = ranked.slice(0, rank).filter((peer) => exchange.isPresent(peer, now, head.chain)).length;
    const dueAtMs = Math.max(this.#sinceMs + before * takeoverMs(roundMs), hopeUntilMs ?? -Infinity);
    if (now < dueAtMs) {
      this.deadline = dueAtMs;
      return null;
    }
    const state = book.stateOf(rival.digest);
    if (state === null) {
      this.#ask(context, scene, rival);
      return null;
    }
    const { rules } = context.options, states = isHeavier ? [state, head] : [head, state];
    const sides = book.ancestry.sidesOf({ parents: states.map(({ link }) => link.digest) });
    if (sides === null) return null; // what a side that came without its past has of its own is not known yet
    const whole = states.map(({ weights }, i) => ({ chain: sides[i]!.chain, weights }));
    const record = buildMergeRecord(whole, { rules, scribe: self, attempt: rank });
    if (context.rulebook.whyInvalidMerge(record, sides, rules) !== null) return null; // the other may have shut us out
    const parted = `they parted ${book.ancestry.exclusive(head.link, rival)?.length ?? 0} records ago`;
    const reason = before === 0 ? parted : `${before} earlier in rank wrote nothing; ${parted}`;
    return { record, reason: `merges round ${chain.round} of ${names(chain)}; ${reason}` };
  }

  /** A state that was asked for: its weights are loaded, if the rest of it is what its records give. */
  onState(
    context: Context,
    scene: { book: Book; head: State; loading: Loading },
    given: StateAt,
    from: PeerId,
  ): string | null {
    const { book, head, loading } = scene, link = book.links.get(given.chain.head);
    const chain = link && chainOf(link);
    if (!chain || !book.isDeep(head, link) || book.stateOf(link.digest) !== null) return null;
    if (chainDigest(chain) !== chainDigest(given.chain)) {
      return `its state after record ${link.round} is not what the records give`;
    }
    const others = this.#speakersFor(link.digest).filter((peer) => peer !== from);
    const { weights } = given, sets = chain.lineages.length;
    loading.want(context, link.digest, { weights, sets, from: [from, ...others] });
    return null;
  }

  /** The heaviest rival whose weights are here, or else the heaviest that anybody speaks for. */
  #findRival({ rulebook }: Context, book: Book, head: State): Link | null {
    const here = book.foldedRivals(head).map(({ link }) => link);
    const spoken = new Set(this.#spokenFor.values());
    const rivals = here.length > 0 ? here : [...spoken].flatMap((digest) => {
      const link = book.links.get(digest);
      return link !== undefined && book.isDeep(head, link) ? [link] : [];
    });
    return rivals.reduce<Link | null>(
      (best, link) => best === null || rulebook.isHeavier(chainOf(link)!, chainOf(best)!) ? link : best,
      null,
    );
  }

  #ask(context: Context, { head, exchange }: SceneOfMerge, rival: Link): void {
    if (context.now >= this.#askAtMs) {
      this.#askAtMs = context.now + beatMs(head.chain.roundMs);
      exchange.askState(context, this.#speakersFor(rival.digest).slice(0, MOST_ASKED));
    }
    this.deadline = this.#askAtMs;
  }

  #speakersFor(head: Digest): readonly PeerId[] {
    return [...this.#spokenFor].filter(([, spoken]) => spoken === head).map(([peer]) => peer).sort();
  }
}

function names({ roster }: ChainState): string {
  return roster.map(({ name }) => name).join(", ");
}
