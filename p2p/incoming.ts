/**
 * What a peer takes from others: contributions, which it judges, and weights of states, which its learner loads.
 *
 * A contribution that no record counts yet is welcome as long as there is room, a member's before a stranger's: without
 * it, and whatever strangers offer, this peer goes on. What a record counts, and the weights of a state, it needs: if
 * there is no room for those, it ends.
 * @module
 */
import { AUTHOR_BYTES, isBy } from "./authorship.ts";
import type { Bringer, From } from "./bring.ts";
import type { Clock } from "./clock.ts";
import type { HostEvent } from "./host_event.ts";
import type { Learner } from "./learner.ts";
import type { Transport } from "./net/transport.ts";
import { isFullDisk, whyRefused, whyWithout } from "./own_failure.ts";
import type { Stock } from "./store/stock.ts";
import { StorageError } from "./store/storage_error.ts";
import { loadStored, NotStoredError, storedContent } from "./stored_content.ts";
import type { Effect, Input } from "./sync/effects.ts";
import type { BlobName, ChainState, PeerId } from "./sync/types.ts";

/** After so long without another it is told again that there was no room for a contribution. */
const NO_ROOM_QUIET_MS = 10 * 60_000;
/** How often weights are loaded that turn out to be damaged where they are stored. */
const TRIES_TO_LOAD = 2;

export interface IncomingOptions {
  readonly bringer: Bringer;
  readonly transport: Pick<Transport, "peers">;
  readonly store: Stock;
  readonly learner: Pick<Learner, "initial" | "load" | "judge" | "sizeOf">;
  readonly clock: Clock;
  /** The run's first weights. */
  readonly initial: BlobName;
  readonly emit: (event: HostEvent) => void;
}

type EffectOf<K extends Effect["kind"]> = Extract<Effect, { kind: K }>;

export class Incoming {
  readonly #options: IncomingOptions;
  #members: ReadonlySet<PeerId> = new Set();
  #lastJudged: Promise<unknown> = Promise.resolve();
  /** When a contribution was last left for want of room. */
  #leftAtMs = -Infinity;

  constructor(options: IncomingOptions) {
    this.#options = options;
  }

  /** This peer stands on another state: whose work is welcome before that of others. */
  stand({ roster }: ChainState): void {
    this.#members = new Set(roster.map(({ peer }) => peer));
  }

  /**
   * Has a contribution here, and judged.
   * @throws {Error} our own failure, such as no room for what a record counts.
   */
  async contribution({ digest, offer, blob, from, isNeeded }: EffectOf<"fetch">): Promise<Input> {
    const { store, learner } = this.#options, weightsBytes = learner.sizeOf(1);
    const refused = (reason: string): Input => ({ kind: "fetched", offer: digest, verdict: { valid: false, reason } });
    if (blob.sizeBytes > AUTHOR_BYTES + weightsBytes) {
      // No codec needs more than the weights themselves: it is not worth a transfer to find out what else is wrong.
      return refused(
        `its contribution has ${blob.sizeBytes} bytes, the weights of this run have ${weightsBytes}`,
      );
    }
    // Only the author is sure to have it; the others may still be fetching it themselves.
    const donors = from.filter((peer) => peer === offer.peer), others = from.filter((peer) => peer !== offer.peer);
    const need = isNeeded ? "certain" : this.#members.has(offer.peer) ? "likely" : "doubtful";
    store.name(blob.digest, { kind: "contribution", round: offer.round, need });
    const bring = isNeeded ? this.#bringNeeded : this.#bringWelcome;
    const failure = await bring.call(this, blob, { donors, others });
    if (failure !== null) return { kind: "missing", offer: digest, reason: failure };
    return await this.#inTurn(async (): Promise<Input> => {
      const author = new Uint8Array(Math.min(AUTHOR_BYTES, blob.sizeBytes));
      try {
        // A learner that cannot judge is our own failure: to call that a verdict would name the author, and its record's scribe.
        const verdict = await learner.judge(await storedContent(store, blob.digest, author), offer);
        if (!isBy(offer.peer, author)) return refused("it is copied: its contribution names another author");
        return { kind: "fetched", offer: digest, verdict };
      } catch (error) {
        if (!(error instanceof NotStoredError)) throw error;
        return { kind: "missing", offer: digest, reason: "it is not on this disk any more" };
      }
    });
  }

  /**
   * Has the learner hold the weights of a state.
   * @throws {Error} our own failure, such as no room for them.
   */
  async weights({ weights, sets, from }: EffectOf<"load">): Promise<Input> {
    const { bringer, store, learner, transport, initial } = this.#options;
    const failed = (reason: string): Input => ({ kind: "load-failed", weights: weights.digest, reason });
    const loaded: Input = { kind: "loaded", weights: weights.digest };
    if (weights.digest === initial.digest) { // they follow from the run: no disk need have them
      await learner.initial();
      return loaded;
    }
    const wantedBytes = learner.sizeOf(sets);
    if (weights.sizeBytes !== wantedBytes) {
      return failed(`they have ${weights.sizeBytes} bytes, the weights of that state have ${wantedBytes}`);
    }
    store.name(weights.digest, { kind: "weights", round: 0 }); // until they are those of a state
    const wanted = { donors: from, others: transport.peers().filter((peer) => !from.includes(peer)) };
    for (let tries = 0; tries < TRIES_TO_LOAD; tries++) { // what lay here damaged is dropped: others may have it
      const failure = await bringer.bring(weights, wanted);
      if (failure !== null) return failed(failure);
      try {
        const found = await loadStored(learner, store, weights.digest);
        if (found === weights.digest) return loaded;
        if (found !== null) return failed(`the learner took them for ${found}`);
      } catch (error) {
        return failed(whyRefused(error));
      }
    }
    return failed("they were damaged on this disk");
  }

  /** Null if the blob is here, or why it is not: for want of room, too. */
  async #bringWelcome(blob: BlobName, from: From): Promise<string | null> {
    try {
      return await this.#options.bringer.bring(blob, from);
    } catch (error) {
      const reason = whyWithout(error);
      this.#leave(reason);
      return reason;
    }
  }

  async #bringNeeded(blob: BlobName, from: From): Promise<string | null> {
    const { bringer } = this.#options;
    try {
      return await bringer.bring(blob, from).catch((error: unknown) => {
        if (!isFullDisk(error)) throw error;
        return bringer.bring(blob, from); // it may have joined a fetch that gave way when nobody needed it
      });
    } catch (error) {
      if (!isFullDisk(error)) throw error;
      const { message, isFull } = error;
      throw new StorageError(`Cannot fold a contribution that the run has counted. ${message}`, {
        cause: error,
        isFull,
      });
    }
  }

  /** One at a time: contributions come together, and all of them in memory would be as many as there are peers. */
  #inTurn<T>(judge: () => Promise<T>): Promise<T> {
    const turn = this.#lastJudged.then(judge);
    this.#lastJudged = turn.catch(() => {}); // whoever waits for it hears
    return turn;
  }

  /** Says once for all that is left in a row why it is. */
  #leave(reason: string): void {
    const { clock, emit } = this.#options, now = clock.now();
    if (now - this.#leftAtMs >= NO_ROOM_QUIET_MS) emit({ kind: "no room", reason });
    this.#leftAtMs = now;
  }
}
