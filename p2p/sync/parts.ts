/**
 * What one peer's core is made of, and the few questions that several of its parts ask of all of them together.
 *
 * It draws no conclusions: `inbox.ts` changes what is known, `conclusions.ts` follows from it, `adoption.ts` alone
 * changes the head.
 * @module
 */
import { Book } from "./book.ts";
import { digitsOf, isIn } from "./cells.ts";
import { beatMs, type Context } from "./context.ts";
import type { CoreOptions, Effect } from "./effects.ts";
import { Exchange } from "./exchange.ts";
import { Fetching } from "./fetching.ts";
import { Folding } from "./folding.ts";
import { Joining } from "./joining.ts";
import type { State } from "./link.ts";
import { Loading } from "./loading.ts";
import { Membership } from "./members.ts";
import { Meeting } from "./meeting.ts";
import { Merging } from "./merging.ts";
import { OwnWork } from "./own_work.ts";
import { Recheck } from "./recheck.ts";
import { Recovery } from "./recovery.ts";
import type { Rulebook } from "./rulebook.ts";
import { Scribing } from "./scribing.ts";
import type { Beat, ChainState, PeerId } from "./types.ts";

/** Share of a round, for each member, in which offers are looked at together: 15 ms of 15 s for 32 members. */
const BURST_SHARE = 2 ** -15;

export class Parts {
  readonly context: Context;
  readonly book: Book;
  readonly joining = new Joining();
  readonly fetching = new Fetching();
  readonly folding = new Folding();
  readonly work = new OwnWork();
  readonly scribing = new Scribing();
  readonly merging = new Merging();
  readonly meeting = new Meeting();
  readonly loading = new Loading();
  readonly recheck = new Recheck();
  readonly recovery = new Recovery();
  readonly exchange = new Exchange();
  readonly membership = new Membership();
  /** The state that this peer stands on; null until it has one. Changed by `adoption.ts` alone. */
  head: State | null = null;
  /** Whether something came that conclusions may follow from. */
  hasNews = false;
  /** Whether offers came, or blobs of them: such news may wait for the rest of a burst. */
  hasOffers = false;
  /** Whether this peer may begin the run. */
  isFounder = false;
  /** Time of the input being handled. */
  now = 0;
  #effects: Effect[] = [];

  constructor(options: CoreOptions, rulebook: Rulebook) {
    this.book = new Book(options.rules, rulebook, digitsOf(options.rules, options.self));
    const now = () => this.now;
    this.context = {
      options,
      rulebook,
      get now() {
        return now();
      },
      emit: (effect) => this.#effects.push(effect),
      report: (event) => this.#effects.push({ kind: "report", event }),
    };
  }

  /** The effects since the last call, in their order. */
  takeEffects(): readonly Effect[] {
    const effects = this.#effects;
    this.#effects = [];
    return effects;
  }

  /** When one of the parts wants conclusions to be drawn. */
  get deadline(): number {
    return Math.min(
      this.joining.deadline,
      this.recovery.deadline,
      this.fetching.deadline,
      this.work.deadline,
      this.scribing.deadline,
      this.merging.deadline,
      this.meeting.deadline,
      this.loading.deadline(this.now),
    );
  }

  /** How many things each part holds (law 7). */
  get sizes(): Readonly<Record<string, number>> {
    return {
      links: this.book.links.size,
      ownOffers: this.work.offers.size,
      candidates: this.joining.size,
      promised: this.scribing.size,
      ...this.meeting.sizes,
      ...this.book.offers.sizes,
      ...this.fetching.sizes,
      ...this.exchange.sizes,
    };
  }

  get beatMs(): number {
    return beatMs(this.head?.chain.roundMs ?? this.context.options.rules.firstRoundMs);
  }

  /** Many members offer at nearly one moment: conclusions are drawn once in so many milliseconds, not for each of them. */
  get burstMs(): number {
    const chain = this.head?.chain;
    return chain === undefined ? 0 : Math.floor(chain.roundMs * chain.roster.length * BURST_SHARE);
  }

  /** Whether a state would replace the head, rather than be merged with it. */
  isWorth(chain: ChainState): boolean {
    const { head, book } = this, link = book.links.get(chain.head);
    if (!this.isOurs(chain)) return false;
    if (head === null) return true;
    return this.context.rulebook.isHeavier(chain, head.chain) && !(link && book.isDeep(head, link));
  }

  /** Whether this peer is in a cell: what is of others leads to no head of its own. */
  isOurs({ cell }: { readonly cell: string }): boolean {
    return isIn(cell, this.context.options.self, this.context.options.rules);
  }

  ownBeat(head: State): Beat {
    return this.exchange.beat(this.context, head, this.membership.number);
  }

  /** Completes the records that can be completed, and names those found invalid. */
  resolve(): void {
    for (const { link: { record: { body } }, fault } of this.book.resolve(this.now)) {
      this.reject(`record ${body.round}`, body.scribe, fault);
    }
  }

  /** Something of another peer is dropped. */
  reject(what: string, peer: PeerId, reason: string): void {
    this.context.report({ kind: "rejected", what, peer, reason });
  }
}
