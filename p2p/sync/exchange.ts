/**
 * Anti-entropy: how what was lost on the way is found again. A beat tells head and weight; whoever sees a heavier
 * history pulls it by naming what it has, and gets records and offers, or a state if it is too far behind.
 *
 * It answers and asks; it decides nothing about heads. Lost messages cost one beat, never correctness (law 1).
 * @module
 */
import type { Book, Link } from "./book.ts";
import { beatMs, type Context } from "./context.ts";
import { Witnesses } from "./witnesses.ts";
import type { AskState, Beat, Digest, Message, Offer, PeerId, Pull, RoundRecord, Signed } from "./types.ts";

/** Most of each in one History: it must fit a message. */
const MOST_RECORDS = 16;
const MOST_OFFERS = 512;
/** Records named in a pull. */
const MOST_HAVE = 64;
/** Least time between two unforced pulls from one peer. */
const PULL_EVERY_MS = 400;
/** Peers asked for a state at once. */
const MOST_ASKED = 32;
/** Beats after which a peer that is not connected counts as absent. */
const PRESENT_BEATS = 4;

export class Exchange {
  readonly witnesses = new Witnesses();
  readonly #connected = new Set<PeerId>();
  readonly #heardAtMs = new Map<PeerId, number>();
  readonly #pulledAtMs = new Map<PeerId, number>();
  /** Whom this peer has asked what may be answered with a state, since they last sent one. */
  readonly #asked = new Set<PeerId>();
  /** `#connected` in order, until it changes. */
  #sorted: readonly PeerId[] | null = null;
  #turn = 0;
  #isAlone: boolean | null = null;

  get connected(): readonly PeerId[] {
    return this.#sorted ??= [...this.#connected].sort();
  }

  connect(peer: PeerId): void {
    this.#connected.add(peer);
    this.#sorted = null;
  }

  disconnect(peer: PeerId): void {
    this.#connected.delete(peer);
    this.#sorted = null;
    this.#heardAtMs.delete(peer);
    this.#pulledAtMs.delete(peer);
    this.#asked.delete(peer);
  }

  /** A sign of life of a member or of a connected peer. */
  heard(peer: PeerId, nowMs: number): void {
    this.#heardAtMs.set(peer, nowMs);
  }

  isPresent(peer: PeerId, nowMs: number, roundMs: number): boolean {
    const heardAtMs = this.#heardAtMs.get(peer);
    return this.#connected.has(peer) ||
      heardAtMs !== undefined && nowMs - heardAtMs <= PRESENT_BEATS * beatMs(roundMs);
  }

  /** Keeps signs of life of these peers and of connected ones only. */
  prune(members: ReadonlySet<PeerId>): void {
    for (const peer of this.#heardAtMs.keys()) {
      if (!members.has(peer) && !this.#connected.has(peer)) this.#heardAtMs.delete(peer);
    }
  }

  /** @param change Number of the newest change of members known here. */
  beat({ options }: Context, head: Link, change: number): Beat {
    const { round, weight } = head.chain!, { rules: { run }, self: peer } = options;
    return { kind: "beat", run, peer, head: head.digest, base: head.base!, round, weight, change };
  }

  /** A beat showed a heavier head: pulls if that is not complete here. */
  onBeat(context: Context, beat: Beat, from: PeerId, known: { readonly book: Book; readonly head: Link }): void {
    if (known.book.links.get(beat.head)?.chain) return;
    this.pull(context, this.#connected.has(beat.peer) ? beat.peer : from, known);
  }

  /** Asks one peer for what is missing; not more often than it could answer. */
  pull(context: Context, to: PeerId, known: { readonly book: Book; readonly head: Link }): void {
    const pulledAtMs = this.#pulledAtMs.get(to);
    if (!this.#connected.has(to)) return;
    if (pulledAtMs !== undefined && context.now - pulledAtMs < PULL_EVERY_MS) return;
    this.#pulledAtMs.set(to, context.now);
    const { book, head } = known;
    const message: Pull = {
      kind: "pull",
      run: context.options.rules.run,
      have: [...book.ancestry(head)].slice(0, MOST_HAVE).map(({ digest }) => digest),
      want: book.missing().offers.slice(0, MOST_OFFERS),
    };
    this.#asked.add(to);
    context.emit({ kind: "send", to, message });
  }

  /** Pulls from each connected peer in turn while something is missing. */
  repair(context: Context, known: { readonly book: Book; readonly head: Link }): void {
    const { offers, parents } = known.book.missing();
    const { connected } = this;
    if (offers.length + parents.length === 0 || connected.length === 0) return;
    this.pull(context, connected[this.#turn++ % connected.length]!, known);
  }

  /** Answers a question, if there is anything to say. */
  answer(context: Context, question: Pull | AskState, to: PeerId, known: { book: Book; head: Link }): void {
    const message = question.kind === "pull"
      ? answerPull(context, question, known)
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

  askState({ options, emit }: Context, peers: readonly PeerId[] = this.connected): void {
    for (const to of peers.slice(0, MOST_ASKED)) {
      this.#asked.add(to);
      emit({ kind: "send", to, message: { kind: "ask-state", run: options.rules.run } });
    }
  }
}

/** Whether a History was cut, so that there is more to pull. */
export function isFull(recordCount: number): boolean {
  return recordCount === MOST_RECORDS;
}

/** The answer to a pull, or null if there is nothing to say. */
function answerPull(
  { options }: Context,
  pull: Pull,
  { book, head }: { book: Book; head: Link },
): Message | null {
  const have = new Set(pull.have);
  const path: Link[] = [];
  let joined = false;
  for (const link of book.ancestry(head)) {
    joined = have.has(link.digest);
    if (joined) break;
    path.push(link);
  }
  if (!joined) return stateOf(options.rules.run, head);

  const records: Signed<RoundRecord>[] = [];
  const offers = new Map<Digest, Signed<Offer>>();
  const add = (digest: Digest) => {
    const held = book.offers.get(digest);
    if (held !== undefined && offers.size < MOST_OFFERS) offers.set(digest, held.signed);
  };
  pull.want.forEach(add);
  for (const { record } of path.reverse().slice(0, MOST_RECORDS)) {
    if (records.length > 0 && offers.size + record.body.counted.length > MOST_OFFERS) break;
    records.push(record);
    record.body.counted.forEach(({ offer }) => add(offer));
  }
  if (records.length + offers.size === 0) return null;
  return { kind: "history", run: options.rules.run, records, offers: [...offers.values()] };
}

/** A state to start from: the head's, if its weights are kept. */
function stateOf(run: Digest, { record, chain, weights }: Link): Message | null {
  return chain === null || weights === null ? null : { kind: "state-at", run, record, chain, weights };
}
