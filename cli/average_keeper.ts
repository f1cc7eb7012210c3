/**
 * Keeps a peer's average of the run's weights on disk, for `--ewa` and for a restart: with the first round, every few
 * minutes, and at the end. A disk that refuses it costs a warning.
 * @module
 */
import { reasonOf } from "../p2p/reason.ts";
import type { Peer } from "../runtime/peer.ts";
import type { StateFolder } from "../runtime/run_folder.ts";

/** It is as large as the weights, which are written in every round as it is. */
const EVERY_MS = 300_000;

export class AverageKeeper {
  readonly #state: StateFolder;
  readonly #warn: (message: string) => void;
  #keptAtMs = -Infinity;
  #keeping: Promise<void> | null = null;

  constructor(state: StateFolder, warn: (message: string) => void) {
    this.#state = state;
    this.#warn = warn;
  }

  /** After a round: keeps it if it is time. */
  afterRound(peer: Peer, nowMs: number): void {
    if (nowMs - this.#keptAtMs >= EVERY_MS) this.keep(peer, nowMs);
  }

  /** Keeps it now. Never rejects. */
  async keep(peer: Peer, nowMs: number): Promise<void> {
    await this.#keeping; // both write the same file
    this.#keeping = this.#keep(peer, nowMs);
    await this.#keeping;
  }

  async #keep(peer: Peer, nowMs: number): Promise<void> {
    try {
      await peer.average((pieces) => {
        this.#keptAtMs = nowMs;
        return this.#state.saveAverage(pieces);
      });
    } catch (error) {
      this.#warn(`the average of weights is not kept: ${reasonOf(error)}`);
    }
  }
}
