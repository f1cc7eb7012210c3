/**
 * One peer's protocol: `handle(now, input)` returns effects, and `deadline` says when it wants a tick.
 *
 * A pure machine (law 9): no clock, chance, I/O or promise. Every input first changes what is known (`#take`), then
 * `#settle` draws all conclusions in one fixed order until nothing changes: complete links, fold towards the heaviest
 * history, adopt, cut the box, close the round, beat.
 *
 * The parts: `book.ts` what is known, `joining.ts` where a first head comes from, `fetching.ts` and `folding.ts` how
 * the next one is made, `own_work.ts` our own boxes and offers, `scribing.ts` closing, `exchange.ts` repair of losses.
 * Rules that all peers must compute alike are pure functions beside them (`chain.ts`, `record.ts`, `fork.ts`).
 * @module
 */

import { ARCHIVE_ROUNDS, Book } from "./book.ts";
import { chainOf, type HeldOffer, type State } from "./link.ts";
import { genesisRecord, genesisState, isFinished } from "./chain.ts";
import { beatMs, type Context } from "./context.ts";
import { bodyDigest, stateDigest } from "./digest.ts";
import { whyDoubted, whyNoOffer, whyNoRecord, whyNoState } from "./door.ts";
import type { Core, CoreOptions, Effect, Input } from "./effects.ts";
import { Exchange, isFull } from "./exchange.ts";
import { Fetching } from "./fetching.ts";
import { Folding, journalRecord, journalState } from "./folding.ts";
import { historyChange } from "./history_change.ts";
import { type Candidate, type Choice, Joining } from "./joining.ts";
import { Loading } from "./loading.ts";
import { Membership, whyForgedChange } from "./members.ts";
import { type MergeToWrite, Merging } from "./merging.ts";
import type { Ground } from "./offer.ts";
import { OwnWork } from "./own_work.ts";
import { ageOf, buildRecord, isChange, isRecord } from "./record.ts";
import { Recheck } from "./recheck.ts";
import { reportAdoption, reportEquivocation, reportMismatch } from "./report.ts";
import { restore } from "./restore.ts";
import { isMember } from "./roster.ts";
import { RULEBOOK, type Rulebook } from "./rulebook.ts";
import { longestMs } from "./scribe.ts";
import { Scribing } from "./scribing.ts";
import { vouching } from "./vouching.ts";
import type {
  Beat,
  ChainState,
  Change,
  Digest,
  Message,
  Offer,
  PeerId,
  RoundRecord,
  Signed,
  StateAt,
} from "./types.ts";

/** Longest rounds that a record is given to become complete. */
const PATIENT_ROUNDS = 4;
/** Beats for which the records that lead to a state are waited for. */
const PROOF_BEATS = 8;
/** Authors whose offers are kept beyond as many as there are members. */
const MOST_STRANGERS = 64;

export function createCore(options: CoreOptions, rulebook: Rulebook = RULEBOOK): Core {
  return new PeerCore(options, rulebook);
}

class PeerCore implements Core {
  readonly #options: CoreOptions;
  readonly #genesis: Digest;
  readonly #book: Book;
  readonly #joining = new Joining();
  readonly #fetching = new Fetching();
  readonly #folding = new Folding();
  readonly #work = new OwnWork();
  readonly #scribing = new Scribing();
  readonly #merging = new Merging();
  readonly #loading = new Loading();
  readonly #recheck = new Recheck();
  readonly #exchange = new Exchange();
  readonly #membership = new Membership();
  #head: State | null = null;
  #now = 0;
  #beatAtMs: number | null = null;
  /** Found out whenever conclusions are drawn: what brings nothing new does not change it. */
  #dueAtMs = -Infinity;
  #effects: Effect[] = [];
  #hasNews = false;
  #isFounder = false;
  /** Every weights blob of a run has the size of the first. */
  #weightsBytes = 0;
  #stopped = false;
  readonly #context: Context;

  constructor(options: CoreOptions, rulebook: Rulebook) {
    this.#options = options;
    this.#book = new Book(options.rules, rulebook);
    this.#genesis = genesisState(options.rules).head;
    const now = () => this.#now;
    this.#context = {
      options,
      rulebook,
      get now() {
        return now();
      },
      emit: (effect) => this.#effects.push(effect),
      report: (event) => this.#effects.push({ kind: "report", event }),
    };
  }

  handle(now: number, input: Input): readonly Effect[] {
    if (this.#stopped) return [];
    this.#effects = [];
    this.#now = Math.max(this.#now, now); // a clock that jumps back makes nothing due twice
    this.#hasNews = input.kind !== "message" && input.kind !== "tick";
    this.#take(input);
    // Most messages bring nothing new: then nothing follows before the deadline.
    if (this.#beatAtMs !== null && (this.#hasNews || this.#now >= this.deadline!)) this.#settle();
    return this.#effects;
  }

  get deadline(): number | null {
    return this.#stopped || this.#beatAtMs === null ? null : this.#dueAtMs;
  }

  /** When conclusions are to be drawn again, if nothing new comes before. */
  #whenDue(): number {
    return Math.min(
      this.#beatAtMs!,
      this.#joining.deadline,
      this.#fetching.deadline,
      this.#work.deadline,
      this.#scribing.deadline,
      this.#merging.deadline,
      this.#loading.deadline(this.#now),
    );
  }

  get sizes(): Readonly<Record<string, number>> {
    return {
      links: this.#book.links.size,
      ownOffers: this.#work.offers.size,
      candidates: this.#joining.size,
      promised: this.#scribing.size,
      ...this.#book.offers.sizes,
      ...this.#fetching.sizes,
      ...this.#exchange.sizes,
    };
  }

  #take(input: Input): void {
    const context = this.#context, book = this.#book;
    switch (input.kind) {
      case "start":
        return this.#start(input);
      case "connected":
        this.#exchange.connect(input.peer);
        if (this.#head === null) this.#exchange.askState(context, [input.peer]);
        else context.emit({ kind: "send", to: input.peer, message: this.#ownBeat(this.#head) });
        return;
      case "disconnected":
        this.#merging.disconnect(input.peer);
        this.#membership.disconnect(input.peer);
        return this.#exchange.disconnect(input.peer);
      case "message":
        return this.#onMessage(input.message, input.from);
      case "fetched": {
        const held = book.offers.find(input.offer);
        this.#fetching.answered(context, input.offer, null);
        if (held === undefined) return;
        book.offers.judge(held, input.verdict);
        if (!input.verdict.valid) this.#onRefuted(held, input.verdict.reason);
        return;
      }
      case "missing":
        return this.#fetching.answered(context, input.offer, this.#beatMs());
      case "contributed": {
        const work = { ...input.contribution, blob: input.blob };
        const offer = this.#work.onContributed(context, work, this.#head?.chain.head ?? null, this.#fetching);
        return offer ? this.#publish(offer) : undefined;
      }
      case "folded":
        return this.#folding.onFolded(context, book, input);
      case "fold-failed":
        return this.#folding.onFailed(context, book, input);
      case "loaded":
        return this.#onLoaded(input.weights);
      case "load-failed":
        this.#onLoadFailed(input.weights);
        return context.report({ kind: "waiting", reason: `a state could not be loaded: ${input.reason}` });
      case "evaluated":
        return this.#work.onEvaluated(input.record, input.loss);
      case "change":
        return this.#onChange(input.change, this.#options.self);
      case "tick":
        return;
      case "leave":
        return this.#work.leave(context, this.#ground());
      default:
        input satisfies never;
    }
  }

  #start({ initial, found, journal }: Extract<Input, { kind: "start" }>): void {
    const { rules, self } = this.#options;
    this.#beatAtMs = this.#now;
    this.#isFounder = found;
    this.#weightsBytes = initial.sizeBytes;
    this.#book.addPast(genesisRecord(rules), genesisState(rules)); // what everybody knows
    const stateCount = restore(journal, {
      book: this.#book,
      own: this.#work.offers,
      key: this.#work.key,
      joining: this.#joining,
      membership: this.#membership,
      self,
      rules,
      nowMs: this.#now,
    });
    this.#membership.admit(this.#context);
    if (found && stateCount === 0) { // else a damaged disk would begin the run anew
      const genesis = { record: genesisRecord(rules), chain: genesisState(rules), weights: initial, from: [] };
      this.#joining.add(genesis, this.#now);
    } else if (stateCount === 0) {
      this.#context.report({ kind: "waiting", reason: "for a peer that has the run" });
    }
  }

  #onLoaded(weights: Digest): void {
    const context = this.#context, book = this.#book;
    const record = this.#loading.answered(context, weights, null), link = record && book.links.get(record);
    const candidate = this.#joining.answered(weights);
    const side = link && book.hold(link, { digest: weights, sizeBytes: this.#weightsBytes });
    if (side) {
      this.#recheck.begin(book, side, this.#options.rules);
      context.emit({ kind: "keep", weights: { digest: weights, sizeBytes: this.#weightsBytes } });
    }
    const known = candidate && book.links.get(candidate.chain.head);
    if (candidate === null || known && book.isHopeless(known)) return; // found out while it was on its way
    const { from } = candidate, state = book.addState(candidate.record, candidate);
    if (from.length > 0) {
      context.emit({ kind: "keep", weights: candidate.weights });
      journalState(context, book, state);
    }
    state.link.journaled = true; // nobody journals the genesis record
    this.#recheck.begin(book, state, this.#options.rules);
    if (this.#isWorth(state.chain)) this.#adopt(state);
  }

  #onLoadFailed(weights: Digest): void {
    this.#loading.answered(this.#context, weights, this.#beatMs());
    const state = this.#book.stateOf(this.#joining.answered(weights)?.chain.head ?? this.#genesis);
    if (state !== null && state !== this.#head) this.#book.lose(state, this.#now); // it can still be folded again
  }

  // —— what other peers say ——

  #onMessage(message: Message, from: PeerId): void {
    const { run } = this.#options.rules;
    this.#exchange.heard(from, this.#now);
    switch (message.kind) {
      case "signed":
        if (isRecord(message)) return this.#onNewRecord(message, from);
        if (isChange(message)) return this.#onChange(message, from);
        return this.#onOffer(message, true);
      case "history":
        // Offers that are not recent are taken only if a record waits for them.
        for (const record of message.records) this.#onRecord(record);
        for (const offer of message.offers) this.#onOffer(offer, false);
        this.#resolve();
        if (isFull(message.records.length)) this.#exchange.pullOn(this.#context, from, this.#known());
        return;
      case "beat":
        if (message.run === run) this.#onBeat(message, from);
        return;
      case "pull":
      case "ask-state":
        if (message.run === run && this.#head !== null) {
          this.#exchange.answer(this.#context, message, from, { book: this.#book, head: this.#head });
        }
        return;
      case "state-at":
        return this.#onState(message, from);
      default:
        message satisfies never;
    }
  }

  #onChange(change: Signed<Change>, from: PeerId): void {
    const reason = whyForgedChange(change, this.#options);
    if (reason !== null) return this.#reject("change of members", from, reason);
    const isNew = this.#membership.learn(this.#context, change);
    if (isNew && from === this.#options.self) this.#context.emit({ kind: "announce", message: change });
  }

  /** @param isNews Announced by its author now, not found in a history. */
  #onOffer(signed: Signed<Offer>, isNews: boolean): void {
    const { body } = signed, digest = bodyDigest(body), context = this.#context, book = this.#book;
    if (book.offers.find(digest) !== undefined) return;
    const malformed = whyNoOffer(context, signed);
    if (malformed !== null) return this.#reject("offer", body.peer, malformed);
    const chain = this.#head?.chain;
    if (isNews && chain) {
      const change = this.#membership.changeAfter(chain);
      const { reason, isStale } = whyDoubted(context, body, { chain, change });
      if (reason !== null) this.#reject("offer", body.peer, reason);
      if (isStale) return;
    }
    const roster = chain?.roster ?? [];
    const mostAuthors = isMember(roster, body.peer) ? Infinity : roster.length + MOST_STRANGERS;
    book.offers.add(digest, signed, { nowMs: this.#now, own: false, journaled: false, mostAuthors });
    if (body.peer === this.#options.self) this.#work.key.heard(digest);
    this.#hasNews = true;
    const held = book.offers.find(digest);
    if (held === undefined) {
      return isNews
        ? this.#reject("offer", body.peer, "too many of its author, or of strangers, wait already")
        : undefined;
    }
    if (!chain) return;
    this.#exchange.heard(body.peer, this.#now);
    this.#scribing.onOffer(context, held, chain);
    this.#exchange.witnesses.says({ peer: body.peer, head: body.parent, base: body.base });
    reportMismatch(context, book, body);
  }

  #onNewRecord(signed: Signed<RoundRecord>, from: PeerId): void {
    this.#onRecord(signed);
    this.#resolve();
    if (this.#book.links.get(bodyDigest(signed.body))?.stage.kind === "incomplete") this.#pull(from);
  }

  #onRecord(signed: Signed<RoundRecord>): void {
    const { body } = signed, digest = bodyDigest(body);
    if (this.#book.links.has(digest)) return;
    const reason = whyNoRecord(this.#context, signed);
    if (reason !== null) return this.#reject(`record ${body.round}`, body.scribe, reason);
    if (this.#head !== null && body.round <= this.#head.chain.round - ARCHIVE_ROUNDS) return;
    this.#hasNews = true;
    this.#book.addRecord(digest, signed, { nowMs: this.#now, journaled: false });
    reportEquivocation(this.#context, this.#book, body);
  }

  #onBeat(beat: Beat, from: PeerId): void {
    this.#exchange.heard(beat.peer, this.#now);
    this.#exchange.witnesses.stands(beat);
    const head = this.#head, book = this.#book, isConnected = this.#exchange.isConnected(beat.peer);
    if (isConnected) this.#membership.onBeat(this.#context, beat);
    if (head === null) return;
    if (isConnected) this.#merging.onBeat(beat.peer, beat.head);
    if (beat.head === head.link.digest || beat.round <= head.chain.round - ARCHIVE_ROUNDS) return;
    const isHeavier = this.#context.rulebook.isHeavier(beat, head.chain);
    const link = book.links.get(beat.head);
    if (!link || chainOf(link) === null) {
      return this.#exchange.seek(this.#context, beat, from, { book, head, isHeavier });
    }
    this.#exchange.found(beat.peer);
    if (book.isDeep(head, link)) this.#hasNews = true;
    // A heavier head that records cannot lead to: its ancestors' weights are gone here, or its fold failed.
    if (isHeavier && !book.isDeep(head, link) && book.targets(head).length === 0) {
      this.#exchange.askState(this.#context, [from]);
    }
  }

  #onState(message: StateAt, from: PeerId): void {
    if (message.run !== this.#options.rules.run || !this.#exchange.takeAnswer(from)) return;
    const { chain, weights } = message, context = this.#context, book = this.#book, head = this.#head;
    this.#exchange.witnesses.stands({ peer: from, head: chain.head, base: stateDigest(chain, weights.digest) });
    const reason = whyNoState(context, message, { book, witnesses: this.#exchange.witnesses }) ??
      (head && this.#merging.onState(context, { book, head, loading: this.#loading }, message, from));
    if (reason !== null) return this.#reject("state", from, reason);
    if (!this.#isWorth(chain)) return;
    this.#hasNews = true;
    this.#joining.addFromPeer(context, message, from);
    if (this.#vouching().proofOf({ ...message, from: [from] }) === "open") this.#pull(from);
  }

  // —— conclusions ——

  #settle(): void {
    const context = this.#context;
    this.#resolve();
    do {
      this.#joining.run(context, this.#vouching());
      if (this.#head !== null) this.#towardsHeavier(this.#head);
    } while (this.#adoptHeaviest() || this.#merge() || this.#act());
    this.#beat();
    const stop = this.#work.whyStop(context, this.#book);
    this.#stopped = stop !== null;
    if (stop !== null) context.emit({ kind: "stop", ...stop });
    this.#dueAtMs = this.#whenDue();
  }

  #towardsHeavier(head: State): void {
    const { connected } = this.#exchange, { lateRounds } = this.#options.rules;
    this.#folding.run(this.#context, { book: this.#book, head, loading: this.#loading, connected });
    this.#fetching.run(this.#context, this.#book, {
      urgent: this.#folding.urgent,
      mayCount: (offer) => ageOf(offer, head.chain) <= lateRounds,
      isRechecked: (offer) => this.#recheck.wants(offer),
      connected,
    });
  }

  #resolve(): void {
    for (const { link: { record: { body } }, fault } of this.#book.resolve(this.#now)) {
      this.#reject(`record ${body.round}`, body.scribe, fault);
    }
  }

  /** Adopts the heaviest folded state; each adoption is strictly heavier than the one before, so this ends (law 1). */
  #adoptHeaviest(): boolean {
    if (this.#head === null) return false;
    const best = this.#book.heaviestFolded(this.#head);
    if (best === this.#head) return false;
    this.#adopt(best);
    return true;
  }

  #adopt(state: State): void {
    const context = this.#context, book = this.#book, { rules } = this.#options, from = this.#head;
    const { link, chain, base, weights } = state;
    if (from === null) this.#exchange.forgetQuestions();
    const change = historyChange(book, { from, to: state, rules });
    this.#head = state;
    this.#membership.learn(context, chain.members);
    context.emit({ kind: "adopted", chain, weights: weights.digest });
    reportAdoption(context, book, { from, to: state, change });
    for (const { signed: { body } } of book.offers.on(link.digest)) reportMismatch(context, book, body);
    if (isFinished(chain, rules)) context.report({ kind: "finished", tokens: chain.tokens });

    this.#work.offers.review(context, chain, change);
    const first = this.#work.onHead(context, { chain, base }, weights.digest);
    if (first !== null) this.#publish(first);
    this.#scribing.open(context, chain);
    this.#exchange.prune(new Set(chain.roster.map(({ peer }) => peer)));
    const patienceMs = PATIENT_ROUNDS * longestMs(chain.roundMs);
    const blobs = book.prune(state, { nowMs: this.#now, patienceMs, rival: this.#merging.rival });
    if (blobs.length > 0) context.emit({ kind: "forget", blobs });
  }

  /** A contribution is none: so no record that counts it holds, nor what follows it. */
  #onRefuted(held: HeldOffer, reason: string): void {
    this.#reject("offer", held.signed.body.peer, reason);
    for (const { link: { record: { body } }, fault } of this.#book.refute(held)) {
      this.#reject(`record ${body.round}`, body.scribe, fault);
    }
    if (this.#head?.link.stage.kind === "invalid") this.#giveUpHead();
  }

  /** What this peer took on the word of others is wrong: it goes on from what is left, or asks as if it were new. */
  #giveUpHead(): void {
    const context = this.#context, left = this.#book.heaviestLeft();
    for (const part of [this.#folding, this.#scribing, this.#merging]) part.close();
    context.report({ kind: "waiting", reason: `round ${this.#head!.chain.round} follows an invalid record` });
    this.#head = null;
    if (left !== null) return this.#adopt(left);
    this.#work.onNoHead(context);
    this.#exchange.askState(context);
  }

  /** Makes one history of two, if it is time; whether a record was written. */
  #merge(): boolean {
    const head = this.#head;
    if (head === null) return false;
    const toWrite = this.#merging.decide(this.#context, {
      book: this.#book,
      head,
      exchange: this.#exchange,
      loading: this.#loading,
      hopeUntilMs: this.#folding.hopeUntilMs,
    });
    return toWrite !== null && this.#write(toWrite);
  }

  /** Cuts the box and closes the round, as far as it is time; whether a record was written. */
  #act(): boolean {
    const ground = this.#ground();
    if (ground === null || isFinished(ground.chain, this.#options.rules)) return false;
    this.#work.run(this.#context, ground);
    const toWrite = this.#scribing.decide(this.#context, {
      book: this.#book,
      head: this.#head!,
      exchange: this.#exchange,
      hopeUntilMs: this.#folding.hopeUntilMs,
      isFounder: this.#isFounder,
      change: this.#membership.changeAfter(ground.chain),
      boxEndsAtMs: this.#work.boxEndsAtMs,
    });
    if (toWrite === null) return false;
    const { reason, ...choices } = toWrite, { rules, self: scribe } = this.#options;
    return this.#write({ record: buildRecord(ground, { rules, scribe, ...choices }), reason });
  }

  #write({ record: body, reason }: MergeToWrite): boolean {
    const digest = bodyDigest(body);
    if (this.#book.links.has(digest)) return false; // written before, in vain: something new must come first
    const record: Signed<RoundRecord> = { kind: "signed", body, signature: this.#options.sign(digest) };
    this.#book.addRecord(digest, record, { nowMs: this.#now, journaled: false });
    journalRecord(this.#context, this.#book, this.#book.links.get(digest)!);
    this.#context.emit({ kind: "announce", message: record });
    this.#context.report({ kind: "closed", round: body.round, reason });
    this.#resolve();
    const { stage } = this.#book.links.get(digest)!;
    if (stage.kind === "complete") return true;
    const why = stage.kind === "invalid" ? stage.fault : "what it needs is not known";
    throw new Error(`Cannot write record ${body.round}: ${why}`);
  }

  #publish(offer: Signed<Offer>): void {
    this.#context.emit({ kind: "journal", entry: { kind: "offer", offer } });
    this.#book.offers.add(bodyDigest(offer.body), offer, { nowMs: this.#now, own: true, journaled: true });
    this.#context.emit({ kind: "announce", message: offer });
  }

  /** Everything that repairs losses happens here, once a beat. */
  #beat(): void {
    if (this.#now < this.#beatAtMs!) return;
    const context = this.#context, head = this.#head;
    this.#beatAtMs = this.#now + this.#beatMs();
    this.#exchange.reportCompany(context);
    if (head === null) return this.#exchange.askState(context);
    context.emit({ kind: "announce", message: this.#ownBeat(head) });
    for (const offer of this.#work.offers.pending()) context.emit({ kind: "announce", message: offer });
    this.#exchange.repair(context, { book: this.#book, head });
  }

  #ground(): Ground | null {
    return this.#head && { chain: this.#head.chain, base: this.#head.base };
  }

  #pull(from: PeerId): void {
    this.#exchange.pull(this.#context, from, this.#known());
  }

  #known() {
    return { book: this.#book, head: this.#head };
  }

  #isWorth(chain: ChainState): boolean {
    const head = this.#head, link = this.#book.links.get(chain.head);
    if (head === null) return true;
    return this.#context.rulebook.isHeavier(chain, head.chain) && !(link && this.#book.isDeep(head, link));
  }

  #vouching(): Choice {
    return vouching(this.#book, this.#exchange, {
      isWorth: ({ chain }: Candidate) => this.#isWorth(chain),
      isNeedy: this.#head === null,
      patienceMs: PROOF_BEATS * this.#beatMs(),
    });
  }

  #ownBeat(head: State): Beat {
    return this.#exchange.beat(this.#context, head, this.#membership.number);
  }

  #reject(what: string, peer: PeerId, reason: string): void {
    this.#context.report({ kind: "rejected", what, peer, reason });
  }

  #beatMs(): number {
    return beatMs(this.#head?.chain.roundMs ?? this.#options.rules.firstRoundMs);
  }
}
