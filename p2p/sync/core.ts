/**
 * One peer's protocol: `handle(now, input)` returns effects, and `deadline` says when it wants a tick.
 *
 * A pure machine (law 9): no clock, chance, I/O or promise. Every input first changes what is known: what other peers
 * say in `inbox.ts`, what this machine answers here. Then `conclusions.ts` draws all conclusions in one fixed order.
 *
 * The parts (`parts.ts`): `book.ts` what is known, `joining.ts` and `recovery.ts` where a first head comes from,
 * `fetching.ts`, `loading.ts` and `folding.ts` how the next one is made, `own_work.ts` our own boxes and offers,
 * `scribing.ts` closing, `merging.ts` two histories, `meeting.ts` two cells, `exchange.ts` repair of losses, `members.ts`
 * who belongs. Rules that all peers must compute alike are pure functions beside them, gathered in `rulebook.ts`.
 * @module
 */
import { adopt, refute } from "./adoption.ts";
import { genesisRecord, genesisState } from "./chain.ts";
import { conclude, repairLosses } from "./conclusions.ts";
import type { Core, CoreOptions, Effect, Input } from "./effects.ts";
import { onChange, onMessage } from "./inbox.ts";
import { journalState } from "./journaling.ts";
import { Parts } from "./parts.ts";
import { publishOffer } from "./publishing.ts";
import { restore } from "./restore.ts";
import { RULEBOOK, type Rulebook } from "./rulebook.ts";
import type { Digest } from "./types.ts";
import { followsInvalid } from "./vouching.ts";

export function createCore(options: CoreOptions, rulebook: Rulebook = RULEBOOK): Core {
  return new PeerCore(options, rulebook);
}

class PeerCore implements Core {
  readonly #parts: Parts;
  readonly #genesis: Digest;
  /** Null until the start. */
  #beatAtMs: number | null = null;
  /** Found out whenever conclusions are drawn: what brings nothing new does not change it. */
  #dueAtMs = -Infinity;
  #concludedAtMs = -Infinity;
  #stopped = false;

  constructor(options: CoreOptions, rulebook: Rulebook) {
    this.#parts = new Parts(options, rulebook);
    this.#genesis = genesisState(options.rules).head;
  }

  handle(now: number, input: Input): readonly Effect[] {
    if (this.#stopped) return [];
    const parts = this.#parts;
    parts.now = Math.max(parts.now, now); // a clock that jumps back makes nothing due twice
    parts.hasOffers = input.kind === "fetched" || input.kind === "missing";
    parts.hasNews = input.kind !== "message" && input.kind !== "tick" && !parts.hasOffers;
    this.#take(input);
    if (parts.hasOffers) this.#dueAtMs = Math.min(this.#dueAtMs, this.#concludedAtMs + parts.burstMs);
    // Most messages bring nothing new: then nothing follows before the deadline.
    if (this.#beatAtMs !== null && (parts.hasNews || parts.now >= this.#dueAtMs)) this.#conclude(this.#beatAtMs);
    return parts.takeEffects();
  }

  get deadline(): number | null {
    return this.#stopped || this.#beatAtMs === null ? null : this.#dueAtMs;
  }

  get sizes(): Readonly<Record<string, number>> {
    return this.#parts.sizes;
  }

  #conclude(beatAtMs: number): void {
    const parts = this.#parts, { context, work, book, now } = parts;
    this.#concludedAtMs = now;
    conclude(parts);
    if (now >= beatAtMs) {
      this.#beatAtMs = now + parts.beatMs;
      repairLosses(parts);
    }
    const lost = parts.recovery.whyStop(context, parts.exchange);
    const stop = lost === null ? work.whyStop(context, book) : { reason: lost, fault: "disk" } as const;
    this.#stopped = stop !== null;
    if (stop !== null) context.emit({ kind: "stop", ...stop });
    this.#dueAtMs = Math.min(this.#beatAtMs!, parts.deadline);
  }

  #take(input: Input): void {
    const parts = this.#parts, { context, book, head, exchange, work } = parts;
    switch (input.kind) {
      case "start":
        return this.#start(input);
      case "connected":
        exchange.connect(input.peer);
        if (head === null) exchange.askState(context, [input.peer]);
        else context.emit({ kind: "send", to: input.peer, message: parts.ownBeat(head) });
        return;
      case "disconnected":
        parts.merging.left(input.peer);
        parts.membership.disconnect(input.peer);
        return exchange.disconnect(input.peer);
      case "message":
        return onMessage(parts, input.message, input.from);
      case "fetched": {
        const held = book.offers.find(input.offer);
        parts.fetching.answered(context, input.offer, null);
        if (held === undefined) return;
        book.offers.judge(held, input.verdict);
        if (!input.verdict.valid) refute(parts, held, input.verdict.reason);
        return;
      }
      case "missing":
        if (head !== null && this.#hasLost(input.offer, head.link.digest)) work.beginAgain(context, head.chain);
        return parts.fetching.answered(context, input.offer, parts.beatMs);
      case "contributed": {
        const made = { ...input.contribution, blob: input.blob };
        const offer = work.onContributed(context, made, head?.link.digest ?? null, parts.fetching);
        return offer ? publishOffer(parts, offer) : undefined;
      }
      case "folded":
        return parts.folding.onFolded(context, book, input);
      case "fold-failed": {
        const met = book.links.get(input.record)?.record.body.met;
        if (met) parts.meeting.lose(met.weights.digest);
        return parts.folding.onFailed(context, book, input);
      }
      case "loaded":
        return this.#onLoaded(input.weights);
      case "load-failed":
        return this.#onLoadFailed(input);
      case "evaluated":
        return parts.work.onEvaluated(input.record, input.loss);
      case "change":
        return onChange(parts, input.change, context.options.self);
      case "tick":
        return;
      case "leave":
        return parts.work.leave(context, head);
      default:
        input satisfies never;
    }
  }

  /** Whether our disk has lost this offer of ours on the head, and none that we made on it since can be counted. */
  #hasLost(offer: Digest, head: Digest): boolean {
    const { book: { offers }, context: { options: { self } } } = this.#parts;
    const own = offers.on(head).filter(({ signed: { body } }) => body.peer === self);
    return own.some(({ digest }) => digest === offer) && own.every(({ verdict }) => verdict?.valid !== true);
  }

  #start({ initial, found, journal }: Extract<Input, { kind: "start" }>): void {
    const parts = this.#parts, { context, book, work, joining, membership, now } = parts;
    const { rules, self } = context.options;
    this.#beatAtMs = now;
    book.addPast(genesisRecord(rules), genesisState(rules)); // what everybody knows
    const { offers: own, key } = work;
    const saved = restore(journal, { book, own, key, joining, membership, self, rules, nowMs: now });
    membership.admit(context);
    parts.isFounder = found && saved === null;
    if (saved !== null) parts.recovery.open(saved, initial);
    else if (found) { // else a damaged disk would begin the run anew
      joining.add({ record: genesisRecord(rules), chain: genesisState(rules), weights: initial, from: [] }, now);
    } else {
      context.report({ kind: "waiting", reason: "for a peer that has the run" });
    }
  }

  #onLoaded(digest: Digest): void {
    const parts = this.#parts, { context, book } = parts;
    const wanted = parts.loading.answered(context, digest, null), link = wanted && book.links.get(wanted.record);
    if (parts.recovery.onLoaded(context, book, digest)) return;
    const candidate = parts.joining.answered(digest);
    if (wanted !== null) parts.meeting.onLoaded(digest, parts.head?.chain.round ?? 0);
    const side = link && book.hold(link, wanted.weights), { rules } = context.options;
    if (side) {
      parts.recheck.begin(book, side, rules);
      context.emit({ kind: "keep", weights: side.weights });
    }
    if (candidate === null || followsInvalid(book, candidate.chain)) return; // found out while it was on its way
    const { from } = candidate, state = book.addState(candidate.record, candidate);
    if (from.length > 0) {
      parts.work.offers.tellAnew();
      context.emit({ kind: "keep", weights: candidate.weights });
      journalState(context, book, state);
    } else parts.recovery.onOlder(context, book, state);
    state.link.journaled = true; // nobody journals the genesis record
    parts.recheck.begin(book, state, rules);
    if (parts.isWorth(state.chain)) adopt(parts, state);
  }

  #onLoadFailed({ weights, reason }: Extract<Input, { kind: "load-failed" }>): void {
    const { context, book, head, joining, recovery, loading, beatMs, now } = this.#parts;
    loading.answered(context, weights, beatMs);
    const candidate = joining.answered(weights), state = book.stateOf(candidate?.chain.head ?? this.#genesis);
    const what = candidate === null ? "a state" : `the state of round ${candidate.chain.round}`;
    context.report({ kind: "waiting", reason: `${what} could not be loaded: ${reason}` });
    if (candidate?.from.length === 0) recovery.onDamaged();
    if (state !== null && state !== head) book.lose(state.link, now); // it can still be folded again
  }
}
