/**
 * The average of a run's weights that this peer keeps beside them (`state/ewa.ts`): its place in shared memory and how
 * far it has come. The fold thread does the arithmetic; nothing is done with it while it is being saved.
 * @module
 */
import type { TrainedLineage } from "../p2p/learner.ts";
import type { FoldPort, WeightsBytes } from "./worker/messages.ts";
import type { Remote } from "./worker/remote.ts";
import { EWA_DECAY, type EwaProgress, ewaUpdate } from "./state/ewa.ts";
import { ewaPieces, readEwa } from "./state/ewa_bytes.ts";
import type { Pieces } from "./state/sealed.ts";
import type { RunConfig } from "./config.ts";
import type { ByteReader } from "./folder.ts";

export interface RunningAverageOptions {
  readonly config: RunConfig;
  /** Words of the parameter arena. */
  readonly words: number;
  readonly folding: Remote<FoldPort>;
}

export class RunningAverage {
  readonly #options: RunningAverageOptions;
  readonly #decay: number;
  /** Taken with the first weights. */
  #values: WeightsBytes | null = null;
  #progress: EwaProgress | null = null;
  #lastTurn: Promise<unknown> = Promise.resolve();
  /** The newest state, if its turn has not come. */
  #waiting: PromiseWithResolvers<void> | null = null;

  constructor(options: RunningAverageOptions) {
    this.#options = options;
    this.#decay = options.config.training.ewaDecay ?? EWA_DECAY;
  }

  /** Goes on with what `save` gave before; returns why it cannot, or null. */
  async load(saved: ByteReader): Promise<string | null> {
    if (this.#decay === 0) return null;
    const loaded = await readEwa(saved, valuesIn(this.#place()));
    if (!loaded.ok) return `Cannot go on with the average of weights: ${loaded.reason}. It starts anew`;
    this.#progress = loaded.progress;
    return null;
  }

  /**
   * Takes in the weights of a new state; those it has seen already change nothing. They must stay until it is done. While
   * the average is being saved only the newest state waits, and counts for the steps of those before it as well.
   */
  take(weights: WeightsBytes, state: TakenState): Promise<void> {
    if (this.#decay === 0) return Promise.resolve();
    const taking = Promise.withResolvers<void>();
    this.#waiting?.resolve();
    this.#waiting = taking;
    this.#inTurn(async () => {
      if (this.#waiting !== taking) return;
      this.#waiting = null;
      await this.#move(weights, state);
    }).then(taking.resolve, taking.reject);
    return taking.promise;
  }

  /** Lends the average as pieces of a file; null if it has seen nothing. It stays as it is until `use` is done. */
  save<T>(use: (pieces: Pieces) => Promise<T>): Promise<T | null> {
    return this.#inTurn(async () => {
      const progress = this.#progress;
      if (progress === null || progress.mass === 0) return null;
      return await use(ewaPieces(progress, valuesIn(this.#place())));
    });
  }

  async #move(weights: WeightsBytes, { tokens, globalBatch, lineage: { leading: at } }: TakenState): Promise<void> {
    const batchTokens = globalBatch * this.#options.config.model.contextLength;
    const { progress, share } = ewaUpdate(this.#progress, { tokens, batchTokens, decay: this.#decay });
    this.#progress = progress;
    if (share > 0) await this.#options.folding.call("moveAverage", { average: this.#place(), weights, at, share });
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#lastTurn.then(work);
    this.#lastTurn = turn.catch(() => {}); // whoever asked for it hears
    return turn;
  }

  #place(): WeightsBytes {
    return this.#values ??= new Uint8Array(new SharedArrayBuffer(4 * this.#options.words));
  }
}

function valuesIn(average: WeightsBytes): Float32Array<SharedArrayBuffer> {
  return new Float32Array(average.buffer);
}

interface TakenState {
  /** Tokens of the run that led to it. */
  readonly tokens: number;
  /** Sequences. */
  readonly globalBatch: number;
  /** Of several lineages the one that people are shown is averaged, whichever that is then. */
  readonly lineage: Pick<TrainedLineage, "leading">;
}
