/**
 * Anti-entropy: how what was lost on the way is found again. A beat tells head and weight; whoever sees another history,
 * heavier or not, pulls it by naming what it has, and gets records and offers, or a state if it is too far behind.
 *
 * It answers and asks; it decides nothing about heads. Lost messages cost one beat, never correctness (law 1).
 * @module
 */
import type { Book } from "./book.ts";
import { chainOf, type State } from "./link.ts";
import { isIn, nearestFirst } from "./cells.ts";
import { beatMs, type Context } from "./context.ts";
import { isMember } from "./roster.ts";
import { Witnesses } from "./witnesses.ts";
import type { AskState, Beat, ChainState, Digest, Message, Offer, PeerId, Pull, RoundRecord, Signed } from "./types.ts";

/** Most of each in one History: it must fit a message. */
const MOST_RECORDS = 16;
const MOST_OFFERS = 512;
/** Ranges in the meetings of one History, of 21 bytes at most. */
const MOST_TOLD_RANGES = 32_768;
/** Records named in a pull: ends of histories, then ancestors of the head, all of the last ones and then with gaps. */
const MOST_ENDS = 32;
const NAMED_WITHOUT_GAPS = 16;
/** Each further one is so many times as far back. */
const GAP_GROWTH = 1.25;
/** Least time between two unforced pulls from one peer. */
const PULL_EVERY_MS = 400;
/** Peers asked for a state at once. */
const MOST_ASKED = 16;
/**
 * Beats for which records are pulled towards a peer's heavier heads before a whole state is asked for: taking that gives
 * up what this peer has of its own, without knowing what could be merged.
 */
const PATIENT_BEATS = 8;
/** Announced beats after which a peer that is not connected counts as absent. */
const PRESENT_BEATS = 4;
/** Members of whose announcements all hear with each beat: more take turns. */
const MOST_SPEAKERS = 64;
/** Beats after which who is no member asks again to be admitted. */
const ASKED_BEATS = 4;
/** One in so many pulls for what is missing goes to a peer of another cell: what it knows may be part of a merge. */
const OTHERS_TURN = 3;
/** Connected peers that hear a beat which is not announced. */
const NEIGHBOURS = 8;

interface Known {
  readonly book: Book;
  readonly head: State;
}

/** What a peer may ask about that has no head yet. */
interface KnownToAsker {
  readonly book: Book;
  readonly head: State | null;
}

export class Exchange {
  /** What peers said of states in our cell, of it and of cells that it is a part of. */
  readonly witnesses = new Witnesses();
  /** What connected peers of other cells said of theirs. */
  readonly abroad = new Witnesses();
  readonly #connected = new Set<PeerId>();
  readonly #heardAtMs = new Map<PeerId, number>();
  readonly #pulledAtMs = new Map<PeerId, number>();
  /** Whom this peer has asked what may be answered with a state, since they last sent one. */
  readonly #asked = new Set<PeerId>();
  /** `#connected` in order, until it changes. */
  #sorted: readonly PeerId[] | null = null;
  /** Those of our cell, and all others. */
  #sides: readonly [mates: readonly PeerId[], others: readonly PeerId[]] | null = null;
  #isMate: (peer: PeerId) => boolean = () => true;
  /** Since when each connected peer has spoken for heads that are not complete here. */
  readonly #soughtSinceMs = new Map<PeerId, number>();
  /** When this peer had its first head. */
  #listensSinceMs = -Infinity;
  #turn = 0;
  #beats = 0;
  #isAlone: boolean | null = null;

  get connected(): readonly PeerId[] {
    return this.#sorted ??= [...this.#connected].sort();
  }

  /** Connected peers of our own cell, in order: they alone have its records and contributions. */
  get mates(): readonly PeerId[] {
    return this.#parted()[0];
  }

  /** Connected peers of other cells, in order. */
  get others(): readonly PeerId[] {
    return this.#parted()[1];
  }

  /** We are in another cell from now on. */
  enter(isMate: (peer: PeerId) => boolean): void {
    this.#isMate = isMate;
    this.#sides = null;
  }

  get sizes(): Readonly<Record<string, number>> {
    return {
      connected: this.#connected.size,
      heard: this.#heardAtMs.size,
      pulled: this.#pulledAtMs.size,
      asked: this.#asked.size,
    };
  }

  isConnected(peer: PeerId): boolean {
    return this.#connected.has(peer);
  }

  /** So many who may have a blob of our cell: its author, if it is connected, then others, from this one of them on. */
  donors(author: PeerId, { first = 0, most = Infinity } = {}): readonly PeerId[] {
    const hasAuthor = this.#connected.has(author), count = hasAuthor ? most - 1 : most;
    const others = inTurn(this.mates.filter((peer) => peer !== author), { first, most: count });
    return hasAuthor ? [author, ...others] : others;
  }

  connect(peer: PeerId): void {
    this.#connected.add(peer);
    this.#sorted = this.#sides = null;
  }

  disconnect(peer: PeerId): void {
    this.#connected.delete(peer);
    this.#sorted = this.#sides = null;
    this.#heardAtMs.delete(peer);
    this.#pulledAtMs.delete(peer);
    this.#asked.delete(peer);
    this.#soughtSinceMs.delete(peer);
  }

  /** A sign of life of a member or of a connected peer. */
  heard(peer: PeerId, nowMs: number): void {
    this.#heardAtMs.set(peer, nowMs);
  }

  isPresent(peer: PeerId, nowMs: number, { roundMs, roster }: ChainState): boolean {
    if (this.#connected.has(peer)) return true;
    // Who has just come has had no time to hear everybody: it must not go on as if it were alone.
    const heardAtMs = Math.max(this.#listensSinceMs, this.#heardAtMs.get(peer) ?? -Infinity);
    return nowMs - heardAtMs <= PRESENT_BEATS * this.#turnsOf(roster) * beatMs(roundMs);
  }

  /** Keeps signs of life of these peers and of connected ones only. */
  prune(members: ReadonlySet<PeerId>): void {
    for (const peer of this.#heardAtMs.keys()) {
      if (!members.has(peer) && !this.#connected.has(peer)) this.#heardAtMs.delete(peer);
    }
  }

  /** @param change Number of the newest change of members known here. */
  beat({ options }: Context, { chain, base }: State, change: number): Beat {
    const { head, round, weight, cell } = chain, { rules: { run }, self: peer } = options;
    return { kind: "beat", run, peer, head, base, round, weight, change, cell };
  }

  /**
   * A beat told of a head that is not complete here: pulls the records towards it. If it is `heavier` and they lead
   * nowhere for some time, because they begin after what this peer knows, then a whole state is asked for.
   */
  seek(context: Context, beat: Beat, from: PeerId, known: Known & { readonly isHeavier: boolean }): void {
    const { now } = context, { head, isHeavier } = known;
    const peer = this.#connected.has(beat.peer) ? beat.peer : from, sinceMs = this.#soughtSinceMs.get(peer) ?? now;
    if (this.#connected.has(peer)) this.#soughtSinceMs.set(peer, sinceMs);
    if (isHeavier && now - sinceMs > PATIENT_BEATS * beatMs(head.chain.roundMs)) return this.askState(context, [peer]);
    this.pull(context, peer, known);
  }

  /**
   * Says once a beat where this peer stands, and again what it has offered. In a large run it says so to all in its
   * turn only, else what everybody hears would grow with the square of the members; between turns a few connected peers
   * hear the beat, others each time, and from peer to peer everybody soon knows of a heavier head. Nobody waits for who is
   * no member: it says to all what it offers alone, and to be admitted it asks again only now and then. Some peers of
   * other cells, who do not hear our announcements, are told where we stand with each beat.
   */
  speak({ emit, options: { self } }: Context, beat: Beat, { head, pending }: {
    readonly head: State;
    readonly pending: readonly Signed<Offer>[];
  }): void {
    const turn = this.#beats++, { roster } = head.chain, { mates, others } = this, { cell } = beat;
    for (const to of inTurn(others, { first: turn * NEIGHBOURS, most: NEIGHBOURS })) {
      emit({ kind: "send", to, message: beat });
    }
    if (isMember(roster, self)) {
      if (turn % this.#turnsOf(roster) === 0) {
        for (const message of [beat, ...pending]) emit({ kind: "announce", message, cell });
        return;
      }
    } else {
      const isDue = ({ body }: Signed<Offer>) => body.blob !== null || turn % ASKED_BEATS === 0;
      for (const message of pending.filter(isDue)) emit({ kind: "announce", message, cell });
    }
    const first = mates.findIndex((peer) => peer > self) + turn * NEIGHBOURS;
    for (const to of inTurn(mates, { first: Math.max(0, first), most: NEIGHBOURS })) {
      emit({ kind: "send", to, message: beat });
    }
  }

  #parted(): readonly [mates: readonly PeerId[], others: readonly PeerId[]] {
    const isMate = this.#isMate;
    return this.#sides ??= [this.connected.filter(isMate), this.connected.filter((peer) => !isMate(peer))];
  }

  /** In how many beats each peer announces once; those that we are connected to speak, though no members yet. */
  #turnsOf(roster: ChainState["roster"]): number {
    return Math.max(1, Math.ceil(Math.max(roster.length, this.mates.length) / MOST_SPEAKERS));
  }

  /** A peer spoke for a head that is complete here. */
  found(peer: PeerId): void {
    this.#soughtSinceMs.delete(peer);
  }

  /** Asks one peer for what is missing; not more often than it could answer. */
  pull(context: Context, to: PeerId, known: KnownToAsker, { isWhole = false } = {}): void {
    const pulledAtMs = this.#pulledAtMs.get(to);
    if (!this.#connected.has(to)) return;
    if (pulledAtMs !== undefined && context.now - pulledAtMs < PULL_EVERY_MS) return;
    this.#pulledAtMs.set(to, context.now);
    const { book, head } = known;
    const message: Pull = {
      kind: "pull",
      run: context.options.rules.run,
      have: [...isWhole ? wholeEnds(book) : locator(book, head), ...condemned(book)],
      want: book.missing().offers.slice(0, MOST_OFFERS),
    };
    this.#asked.add(to);
    context.emit({ kind: "send", to, message });
  }

  /** A peer answered a pull, and has more: it is asked again without delay. */
  pullOn(context: Context, to: PeerId, known: KnownToAsker): void {
    this.#pulledAtMs.delete(to);
    this.pull(context, to, known);
  }

  /** Pulls from each connected peer in turn while something is missing: from those of other cells less often. */
  repair(context: Context, known: Known): void {
    const { offers, parents } = known.book.missing();
    const { mates, others } = this;
    if (offers.length + parents.length === 0 || mates.length + others.length === 0) return;
    const turn = this.#turn++,
      isTheirs = mates.length === 0 || others.length > 0 && turn % OTHERS_TURN === OTHERS_TURN - 1;
    // Each side has turns of its own: else one of three of our cell would come round only with the others, and so never.
    const theirTurn = Math.floor(turn / OTHERS_TURN), ownTurn = others.length > 0 ? turn - theirTurn : turn;
    const to = isTheirs ? others[theirTurn % others.length]! : mates[ownTurn % mates.length]!;
    const isWhole = parents.length > 0 && Math.floor(ownTurn / Math.max(1, mates.length)) % 2 === 1; // every other time
    this.pull(context, to, known, { isWhole });
  }

  /** Answers a question, if there is anything to say. */
  answer(context: Context, question: Pull | AskState, to: PeerId, known: Known): void {
    const message = question.kind === "pull"
      ? answerPull(context, question, { ...known, to })
      : stateOf(context.options.rules.run, known.head);
    if (message !== null) context.emit({ kind: "send", to, message });
  }

  /** Says when this peer comes to be alone, or is so no more. */
  reportCompany({ report }: Context): void {
    const peers = this.#connected.size;
    if (this.#isAlone === (peers === 0)) return;
    this.#isAlone = peers === 0;
    report(peers === 0 ? { kind: "alone" } : { kind: "in company", peers });
  }

  /** Whether a state from this peer is an answer; each question is answered once. */
  takeAnswer(from: PeerId): boolean {
    return this.#asked.delete(from);
  }

  /** This peer has a head now: what it asked without one needs no answer any more. */
  begin(nowMs: number): void {
    this.#listensSinceMs = nowMs;
    this.#asked.clear();
  }

  /** Asks these peers for a state to start from; unless they are named, those who may be in a cell with this one. */
  askState({ options, emit }: Context, peers?: readonly PeerId[]): void {
    const { self, rules } = options;
    const asked = peers ?? nearestFirst(this.connected, self, rules);
    for (const to of asked.slice(0, MOST_ASKED)) {
      this.#asked.add(to);
      emit({ kind: "send", to, message: { kind: "ask-state", run: rules.run } });
    }
  }
}

/** So many of these peers, from this one on and around. */
export function inTurn(
  peers: readonly PeerId[],
  { first, most = peers.length }: { readonly first: number; readonly most?: number },
): readonly PeerId[] {
  return peers.slice(0, most).map((_, i) => peers[(first + i) % peers.length]!);
}

/** Whether a History was cut, so that there is more to pull. */
export function isFull(recordCount: number): boolean {
  return recordCount === MOST_RECORDS;
}

/**
 * What is known from the beginning on. A head that a given state leads to stands for ancestors that are not here, and that
 * another history may have in common with it.
 */
function wholeEnds(book: Book): readonly Digest[] {
  return book.ancestry.ends({ isWhole: true }).slice(0, MOST_ENDS).map(({ digest }) => digest);
}

/** So that who stands on what follows them gives that, not them again: then the state that it stands on is found out. */
function condemned(book: Book): readonly Digest[] {
  return book.ancestry.condemnedEnds().slice(0, MOST_ENDS).map(({ digest }) => digest);
}

/** Own head, then other ends of what is known, then ancestors: all of the last ones, and older ones with growing gaps. */
function locator(book: Book, head: State | null): readonly Digest[] {
  const ends = book.ancestry.ends().filter((link) => link !== head?.link).slice(0, MOST_ENDS);
  if (head === null) return ends.map(({ digest }) => digest);
  const ancestors = book.ancestry.of(head.link).slice(1), named = ancestors.slice(0, NAMED_WITHOUT_GAPS);
  for (let back = NAMED_WITHOUT_GAPS; back < ancestors.length; back = Math.ceil(back * GAP_GROWTH)) {
    named.push(ancestors[back]!);
  }
  const oldest = ancestors.slice(NAMED_WITHOUT_GAPS).at(-1);
  return [...new Set([head.link, ...ends, ...named, ...oldest ? [oldest] : []])].map(({ digest }) => digest);
}

/**
 * The answer to a pull: the records that lead to what the asker could stand on and that it lacks, the oldest first; null if
 * there are none, or if it is not known which. Whoever lags further behind than contributions are kept asks for a state then, and knows what it must be.
 */
function answerPull(
  { options: { rules } }: Context,
  pull: Pull,
  { book, head, to }: Known & { readonly to: PeerId },
): Message | null {
  // What leads to a record that is not complete here is not known: it tells nothing of what the asker lacks.
  const has = pull.have.flatMap((digest) => book.links.get(digest) ?? []).filter((link) => chainOf(link) !== null);
  const last = book.ancestry.lastOf(head.link, (cell) => isIn(cell, to, rules));
  const lacking = has.length === 0 || last === null ? null : book.ancestry.exclusiveOf([last], has);
  if (lacking === null) return null; // it asks for a state if nobody has the records

  const records: Signed<RoundRecord>[] = [];
  const offers = new Map<Digest, Signed<Offer>>();
  const add = (digest: Digest) => {
    const held = book.offers.find(digest);
    if (held !== undefined && offers.size < MOST_OFFERS) offers.set(digest, held.signed);
  };
  pull.want.forEach(add);
  let ranges = 0;
  for (const { record } of lacking.toReversed().slice(0, MOST_RECORDS)) {
    ranges += record.body.met?.known.length ?? 0;
    const isFull = offers.size + record.body.counted.length > MOST_OFFERS || ranges > MOST_TOLD_RANGES;
    if (records.length > 0 && isFull) break;
    records.push(record);
    record.body.counted.forEach(({ offer }) => add(offer));
  }
  if (records.length + offers.size === 0) return null;
  return { kind: "history", run: rules.run, records, offers: [...offers.values()] };
}

/** A state to start from. */
function stateOf(run: Digest, { link, chain, weights }: State): Message {
  return { kind: "state-at", run, record: link.record, chain, weights };
}
