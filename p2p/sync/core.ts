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
import { ARCHIVE_ROUNDS, Book, chainOf, type State } from "./book.ts";
import { genesisRecord, genesisState, isFinished } from "./chain.ts";
import { beatMs, type Context } from "./context.ts";
import { bodyDigest } from "./digest.ts";
import type { Core, CoreOptions, Effect, Input } from "./effects.ts";
import { Exchange, isFull } from "./exchange.ts";
import { Fetching } from "./fetching.ts";
import { Folding, journalRecord, journalState } from "./folding.ts";
import { historyChange } from "./history_change.ts";
import { Joining, whyNoState } from "./joining.ts";
import { Loading } from "./loading.ts";
import { type MergeToWrite, Merging } from "./merging.ts";
import { type Ground, whyMalformed } from "./offer.ts";
import { OwnWork } from "./own_work.ts";
import { ageOf, buildRecord, isRecord } from "./record.ts";
import { reportAdoption } from "./report.ts";
import { restore } from "./restore.ts";
import { RULEBOOK, type Rulebook } from "./rulebook.ts";
import { longestMs } from "./scribe.ts";
import { Scribing } from "./scribing.ts";
import type { Beat, ChainState, Digest, Message, Offer, PeerId, RoundRecord, Signed, StateAt } from "./types.ts";

/** Longest rounds that a record is given to become complete. */
const PATIENT_ROUNDS = 4;

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
  readonly #exchange = new Exchange();
  #head: State | null = null;
  #now = 0;
  #beatAtMs: number | null = null;
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
    if (this.#stopped || this.#beatAtMs === null) return null;
    return Math.min(
      this.#beatAtMs,
      this.#joining.deadline,
      this.#fetching.deadline,
      this.#work.deadline,
      this.#scribing.deadline,
      this.#merging.deadline,
      this.#loading.deadline(this.#now),
    );
  }

  #take(input: Input): void {
    const context = this.#context, book = this.#book;
    switch (input.kind) {
      case "start":
        return this.#start(input);
      case "connected":
        this.#exchange.connect(input.peer);
        if (this.#head === null) this.#exchange.askState(context, [input.peer]);
        else context.emit({ kind: "send", to: input.peer, message: this.#exchange.beat(context, this.#head) });
        return;
      case "disconnected":
        this.#merging.disconnect(input.peer);
        return this.#exchange.disconnect(input.peer);
      case "message":
        return this.#onMessage(input.message, input.from);
      case "fetched": {
        const held = book.offers.find(input.offer);
        this.#fetching.answered(context, input.offer, null);
        if (held === undefined) return;
        book.offers.judge(held, input.verdict);
        if (!input.verdict.valid) this.#reject("offer", held.signed.body.peer, input.verdict.reason);
        return;
      }
      case "missing":
        return this.#fetching.answered(context, input.offer, this.#beatMs());
      case "contributed": {
        const work = { ...input.contribution, blob: input.blob };
        const offer = this.#head && this.#work.onContributed(context, work, this.#head.chain.head, this.#fetching);
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
      joining: this.#joining,
      self,
      rules,
      nowMs: this.#now,
    });
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
    if (link && book.hold(link, { digest: weights, sizeBytes: this.#weightsBytes }) !== null) {
      context.emit({ kind: "keep", weights: { digest: weights, sizeBytes: this.#weightsBytes } });
    }
    if (candidate === null) return;
    const { from } = candidate, state = book.addState(candidate.record, candidate);
    if (from.length > 0) {
      context.emit({ kind: "keep", weights: candidate.weights });
      journalState(context, book, state);
    }
    state.link.journaled = true; // nobody journals the genesis record
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
        return isRecord(message) ? this.#onNewRecord(message, from) : this.#onOffer(message);
      case "history":
        // Offers that are not recent are taken only if a record waits for them.
        for (const record of message.records) this.#onRecord(record);
        for (const offer of message.offers) this.#onOffer(offer);
        this.#resolve();
        if (isFull(message.records.length)) this.#pull(from);
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

  #onOffer(signed: Signed<Offer>): void {
    const { body } = signed, digest = bodyDigest(body);
    if (this.#book.offers.find(digest) !== undefined) return;
    const malformed = whyMalformed(body, this.#options.rules) ?? this.#whyForged(digest, signed.signature, body.peer);
    if (malformed !== null) return this.#reject("offer", body.peer, malformed);
    this.#book.offers.add(digest, signed, { nowMs: this.#now, own: false, journaled: false });
    this.#hasNews = true;
    const held = this.#book.offers.find(digest);
    if (this.#head === null || held === undefined) return;
    this.#exchange.heard(body.peer, this.#now);
    this.#scribing.onOffer(this.#context, held, this.#head.chain);
    this.#compareStates(body);
  }

  #onNewRecord(signed: Signed<RoundRecord>, from: PeerId): void {
    this.#onRecord(signed);
    this.#resolve();
    if (this.#book.links.get(bodyDigest(signed.body))?.stage.kind === "incomplete") this.#pull(from);
  }

  #onRecord(signed: Signed<RoundRecord>): void {
    const { body, signature } = signed, digest = bodyDigest(body);
    if (this.#book.links.has(digest)) return;
    const reason = body.run !== this.#options.rules.run
      ? `it belongs to run ${body.run}`
      : body.parents.length < 1
      ? "it has no parent"
      : this.#whyForged(digest, signature, body.scribe);
    if (reason !== null) return this.#reject(`record ${body.round}`, body.scribe, reason);
    if (this.#head !== null && body.round <= this.#head.chain.round - ARCHIVE_ROUNDS) return;
    this.#hasNews = true;
    this.#book.addRecord(digest, signed, { nowMs: this.#now, journaled: false });
  }

  #onBeat(beat: Beat, from: PeerId): void {
    this.#exchange.heard(beat.peer, this.#now);
    const head = this.#head, book = this.#book;
    if (head === null) return;
    if (this.#exchange.isConnected(beat.peer)) this.#merging.onBeat(beat.peer, beat.head);
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
    const { record, chain } = message, context = this.#context, book = this.#book, head = this.#head;
    const digest = bodyDigest(record.body);
    const reason = whyNoState(message) ??
      (digest === this.#genesis ? null : this.#whyForged(digest, record.signature, record.body.scribe)) ??
      (head && this.#merging.onState(context, { book, head, loading: this.#loading }, message, from));
    if (reason !== null) return this.#reject("state", from, reason);
    if (!this.#isWorth(chain)) return;
    this.#hasNews = true;
    this.#joining.addFromPeer(context, message, from);
  }

  /** Law 3, seen from here: whoever trained on a record must have folded it to the state that we folded. */
  #compareStates({ parent, base, peer }: Offer): void {
    const mine = this.#book.baseOf(parent);
    if (mine === null || mine === base) return;
    this.#context.report({ kind: "mismatch", record: parent, peer, mine, theirs: base });
  }

  // —— conclusions ——

  #settle(): void {
    const context = this.#context;
    this.#resolve();
    do {
      this.#joining.run(context, ({ chain }) => this.#isWorth(chain));
      if (this.#head !== null) this.#towardsHeavier(this.#head);
    } while (this.#adoptHeaviest() || this.#merge() || this.#act());
    this.#beat();
    const reason = this.#work.whyStop(context);
    this.#stopped = reason !== null;
    if (reason !== null) context.emit({ kind: "stop", reason });
  }

  #towardsHeavier(head: State): void {
    const { connected } = this.#exchange, { lateRounds } = this.#options.rules;
    this.#folding.run(this.#context, { book: this.#book, head, loading: this.#loading, connected });
    this.#fetching.run(this.#context, this.#book, {
      urgent: this.#folding.urgent,
      mayCount: (offer) => ageOf(offer, head.chain) <= lateRounds,
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
    context.emit({ kind: "adopted", chain, weights: weights.digest });
    reportAdoption(context, book, { from, to: state, change });
    for (const { signed: { body } } of book.offers.on(link.digest)) this.#compareStates(body);
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
      boxEndsAtMs: this.#work.boxEndsAtMs,
    });
    if (toWrite === null) return false;
    const { counted, attempt, reason } = toWrite, { rules, self: scribe } = this.#options;
    return this.#write({ record: buildRecord(ground, { rules, counted, scribe, attempt }), reason });
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
    context.emit({ kind: "announce", message: this.#exchange.beat(context, head) });
    for (const offer of this.#work.offers.pending()) context.emit({ kind: "announce", message: offer });
    this.#exchange.repair(context, { book: this.#book, head });
  }

  #ground(): Ground | null {
    return this.#head && { chain: this.#head.chain, base: this.#head.base };
  }

  #pull(from: PeerId): void {
    if (this.#head !== null) this.#exchange.pull(this.#context, from, { book: this.#book, head: this.#head });
  }

  #isWorth(chain: ChainState): boolean {
    const head = this.#head, link = this.#book.links.get(chain.head);
    if (head === null) return true;
    return this.#context.rulebook.isHeavier(chain, head.chain) && !(link && this.#book.isDeep(head, link));
  }

  #whyForged(digest: Digest, signature: Uint8Array, author: PeerId): string | null {
    return this.#options.verify(digest, signature, author) ? null : "its signature is not its author's";
  }

  #reject(what: string, peer: PeerId, reason: string): void {
    this.#context.report({ kind: "rejected", what, peer, reason });
  }

  #beatMs(): number {
    return beatMs(this.#head?.chain.roundMs ?? this.#options.rules.firstRoundMs);
  }
}
