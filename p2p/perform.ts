/**
 * How each effect of the core is performed: the one place where protocol meets network, disk and learner.
 *
 * `performAll` returns when the next effect may begin. What takes long goes on behind and answers through the mailbox.
 * Whatever is thrown here ends the host: what is an answer instead, `own_failure.ts` says. What comes from other peers is
 * in `incoming.ts`.
 * @module
 */
import { AUTHOR_BYTES, withAuthor } from "./authorship.ts";
import { Bringer } from "./bring.ts";
import type { Clock } from "./clock.ts";
import type { HostEvent } from "./host_event.ts";
import { Incoming } from "./incoming.ts";
import type { PeerJournal } from "./journal_entries.ts";
import type { FoldPart, Learner, TrainOrder } from "./learner.ts";
import { LARGEST_ANNOUNCEMENT_BYTES, type Transport } from "./net/transport.ts";
import { whyRefused } from "./own_failure.ts";
import { reasonOf } from "./reason.ts";
import type { Stock } from "./store/stock.ts";
import { loadStored, NotStoredError, storedContent } from "./stored_content.ts";
import { isIn, partsOf } from "./sync/cells.ts";
import type { Effect, Input, JournalEntry } from "./sync/effects.ts";
import type { BlobName, Digest, PeerId } from "./sync/types.ts";
import { encodeMessage } from "./wire.ts";

/** Messages to one peer that may be under way; more are lost, as on any network. */
const MOST_SENDS = 32;

/** What is freed for the journal on a full disk: more than its entries of one round take. */
const JOURNAL_SPACE_BYTES = 256 * 1024;

export const MESSAGES_PROTOCOL = "sync/1";

export interface PerformerOptions {
  readonly self: PeerId;
  readonly run: Digest;
  readonly transport: Transport;
  readonly store: Stock;
  readonly journal: PeerJournal;
  readonly learner: Learner;
  readonly clock: Clock;
  /** The run's first weights. */
  readonly initial: BlobName;
  readonly answer: (input: Input) => void;
  readonly emit: (event: HostEvent) => void;
  /** Something of our own broke. */
  readonly fail: (error: unknown) => void;
}

type EffectOf<K extends Effect["kind"]> = Extract<Effect, { kind: K }>;

export class Performer {
  readonly #options: PerformerOptions;
  readonly #closing = new AbortController();
  readonly #tasks = new Set<Promise<void>>();
  readonly #sending = new Map<PeerId, number>();
  readonly #bringer: Bringer;
  readonly #incoming: Incoming;
  #lastOrder: TrainOrder | null = null;

  constructor(options: PerformerOptions) {
    this.#options = options;
    this.#bringer = new Bringer({ ...options, signal: this.#closing.signal });
    this.#incoming = new Incoming({ ...options, bringer: this.#bringer });
  }

  /** A peer has connected: it may have what is being fetched. */
  arrived(peer: PeerId): void {
    this.#bringer.arrived(peer);
  }

  /** Performs effects in order; entries of the journal that follow each other become durable in one write. */
  async performAll(effects: readonly Effect[]): Promise<void> {
    for (let i = 0; i < effects.length; i++) {
      const entries: JournalEntry[] = [];
      for (let next = effects[i]; next?.kind === "journal"; next = effects[++i]) entries.push(next.entry);
      if (entries.length > 0) await this.#journal(entries);
      const effect = effects[i];
      if (effect !== undefined) await this.#perform(effect);
    }
  }

  /** Settles when the fetch of a blob ends; null if none is under way. */
  underWay(digest: Digest): Promise<unknown> | null {
    return this.#bringer.underWay(digest);
  }

  /** Stops what goes on behind, and waits for it. */
  async close(): Promise<void> {
    this.#closing.abort();
    await Promise.all(this.#tasks);
  }

  async #perform(effect: Effect): Promise<void> {
    const { learner, transport, store, answer, emit } = this.#options;
    switch (effect.kind) {
      case "announce":
        return this.#announce(effect);
      case "send":
        return this.#send(effect.to, encodeMessage(effect.message));
      case "admit":
        return transport.admit(effect.peers);
      case "journal":
        return; // written by performAll
      case "keep":
        return await this.#keep(effect.weights);
      case "fetch":
        return this.#behind(async () => answer(await this.#incoming.contribution(effect)));
      case "load":
        return this.#behind(async () => answer(await this.#incoming.weights(effect)));
      case "fold":
        return this.#behind(() => this.#fold(effect));
      case "merge":
        return this.#behind(() => this.#merge(effect));
      case "contribute":
        return this.#behind(() => this.#contribute());
      case "evaluate":
        return this.#behind(() => this.#evaluate(effect));
      case "adopted":
        this.#incoming.stand(effect.chain);
        return store.stand({ round: effect.chain.round, weights: effect.weights });
      case "train":
        this.#lastOrder = effect.order;
        return await this.#train(effect.order);
      case "rest":
        // An order without data: there is nothing to train on.
        return this.#lastOrder === null ? undefined : learner.train({ ...this.#lastOrder, ranges: [] });
      case "settle":
        return learner.settle(effect.round, effect.fate);
      case "forget":
        return await this.#forget(effect.blobs);
      case "report":
        return emit(effect.event);
      case "stop":
        return; // the loop ends with it
      default:
        effect satisfies never;
    }
  }

  async #train(order: TrainOrder): Promise<void> {
    const { store, learner } = this.#options;
    try {
      learner.train(order);
    } catch (error) {
      // Weights of other states may have come in between, and the learner holds only so many.
      if (await loadStored(learner, store, order.weights) === null) throw error;
      learner.train(order);
    }
  }

  async #journal(entries: readonly JournalEntry[]): Promise<void> {
    const { store, journal } = this.#options;
    for (const entry of entries) {
      if (entry.kind === "state") store.name(entry.weights.digest, { kind: "weights", round: entry.chain.round });
    }
    await store.withSpace(JOURNAL_SPACE_BYTES, () => journal.append(entries));
  }

  #announce({ message, cell }: EffectOf<"announce">): void {
    const { transport, run } = this.#options;
    const bytes = encodeMessage(message);
    if (bytes.length <= LARGEST_ANNOUNCEMENT_BYTES) {
      for (const part of partsOf(cell)) transport.announce(bytes, part);
      return;
    }
    // Too large for gossip, not for a stream.
    for (const peer of transport.peers()) if (isIn(cell, peer, { run })) this.#send(peer, bytes);
  }

  #send(to: PeerId, bytes: Uint8Array): void {
    const { transport, emit } = this.#options;
    const sending = this.#sending.get(to) ?? 0;
    if (sending >= MOST_SENDS) return emit({ kind: "message lost", to, reason: `${sending} are still under way` });
    this.#sending.set(to, sending + 1);
    this.#behind(async () => {
      try {
        await transport.request(to, MESSAGES_PROTOCOL, bytes, { signal: this.#closing.signal });
      } catch (error) {
        if (!this.#closing.signal.aborted) emit({ kind: "message lost", to, reason: reasonOf(error) });
      } finally {
        const left = this.#sending.get(to)! - 1;
        if (left === 0) this.#sending.delete(to);
        else this.#sending.set(to, left);
      }
    });
  }

  async #keep({ digest }: BlobName): Promise<void> {
    const { learner, store } = this.#options;
    if (await store.has(digest)) return;
    const stored = await learner.save(digest, (bytes) => store.put(bytes));
    if (stored === null) throw new Error(`Cannot keep weights ${digest}: the learner holds them no more`);
    if (stored === digest) return;
    await store.delete(stored);
    throw new Error(`Cannot keep weights ${digest}: the learner gave bytes whose digest is ${stored}`);
  }

  /** Before the core hears of them: the learner may have let them go by the time that it wants them kept. */
  async #keepNew(weights: BlobName): Promise<void> {
    this.#options.store.name(weights.digest, { kind: "weights", round: 0 }); // until they are those of a state
    await this.#keep(weights);
  }

  async #fold({ record, parent, parts, joined, sets }: EffectOf<"fold">): Promise<void> {
    const { store, learner, answer } = this.#options;
    const failed = (reason: string) => answer({ kind: "fold-failed", record, reason });
    for (const { blob } of parts) store.name(blob.digest, { kind: "contribution", round: 0, need: "certain" });
    try {
      const stored = parts.map(async ({ blob, at, weight }): Promise<FoldPart> => {
        return { content: await storedContent(store, blob.digest, new Uint8Array(AUTHOR_BYTES)), at, weight };
      });
      const order = { parent, parts: await Promise.all(stored), joined };
      const { digest, screen } = await learner.fold(order).catch(async (error: unknown) => {
        if (error instanceof NotStoredError) throw error;
        // The learner may have let the parent's weights go; if they were kept, it can have them back.
        if (await loadStored(learner, store, parent) === null) throw error;
        return await learner.fold(order);
      });
      const weights = { digest, sizeBytes: learner.sizeOf(sets) };
      await this.#keepNew(weights);
      answer({ kind: "folded", record, weights, screen });
    } catch (error) {
      failed(whyRefused(error));
    }
  }

  async #merge({ record, sets }: EffectOf<"merge">): Promise<void> {
    const { store, learner, answer } = this.#options;
    try {
      const digest = await learner.merge(sets).catch(async (error: unknown) => {
        for (const side of new Set(sets.flat().map(({ weights }) => weights))) {
          if (await loadStored(learner, store, side) === null) throw error;
        }
        return await learner.merge(sets);
      });
      const weights = { digest, sizeBytes: learner.sizeOf(sets.length) };
      await this.#keepNew(weights);
      answer({ kind: "folded", record, weights, screen: null });
    } catch (error) {
      answer({ kind: "fold-failed", record, reason: whyRefused(error) });
    }
  }

  async #contribute(): Promise<void> {
    const { self, store, learner, answer } = this.#options;
    const { bytes: content, ...contribution } = await learner.contribute();
    const bytes = content && withAuthor(content, self);
    const blob = bytes && { digest: await store.put(bytes), sizeBytes: bytes.length };
    if (blob !== null) store.name(blob.digest, { kind: "contribution", round: contribution.round, need: "certain" });
    answer({ kind: "contributed", contribution, blob });
  }

  async #evaluate({ record, weights, at }: EffectOf<"evaluate">): Promise<void> {
    const { learner, answer } = this.#options;
    const loss = await learner.evaluate(weights, at).catch((error: unknown) => {
      whyRefused(error); // nobody waits for the reason
      return null;
    });
    answer({ kind: "evaluated", record, loss: loss !== null && Number.isFinite(loss) ? loss : null });
  }

  async #forget(blobs: readonly Digest[]): Promise<void> {
    for (const digest of blobs) {
      await this.#bringer.stop(digest); // what it still wrote would be there again, or not be there to be finished
      await this.#options.store.delete(digest);
    }
  }

  /** Lets work go on while the next effects are performed. What it throws is our own failure. */
  #behind(work: () => Promise<void>): void {
    const task = work().catch((error: unknown) => {
      if (!this.#closing.signal.aborted) this.#options.fail(error);
    }).finally(() => this.#tasks.delete(task));
    this.#tasks.add(task);
  }
}
