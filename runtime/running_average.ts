/**
 * The average of a run's weights that this peer keeps beside them (`state/ewa.ts`): its place in shared memory and how
 * far it has come. The fold thread does the arithmetic, in the order in which it is asked.
 * @module
 */
import type { TrainedLineage } from "../p2p/learner.ts";
import type { FoldPort, WeightsBytes } from "./worker/messages.ts";
import type { Remote } from "./worker/remote.ts";
import { EWA_DECAY, type EwaProgress, ewaUpdate } from "./state/ewa.ts";
import type { RunConfig } from "./config.ts";

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

  constructor(options: RunningAverageOptions) {
    this.#options = options;
    this.#decay = options.config.training.ewaDecay ?? EWA_DECAY;
  }

  /** Goes on with what `save` gave before, which is moved away; returns why it cannot, or null. */
  async load(saved: Uint8Array<ArrayBuffer>): Promise<string | null> {
    if (this.#decay === 0) return null;
    const into = this.#place(),
      loaded = await this.#options.folding.call("loadAverage", { saved, into }, [saved.buffer]);
    if (!loaded.ok) return `Cannot go on with the average of weights: ${loaded.reason}. It starts anew`;
    this.#progress = loaded.progress;
    return null;
  }

  /** Takes in the weights of a new state; those it has seen already change nothing. They must stay until it is done. */
  async take(weights: WeightsBytes, { tokens, globalBatch, lineage: { leading: at } }: TakenState): Promise<void> {
    if (this.#decay === 0) return;
    const batchTokens = globalBatch * this.#options.config.model.contextLength;
    const { progress, share } = ewaUpdate(this.#progress, { tokens, batchTokens, decay: this.#decay });
    this.#progress = progress;
    if (share > 0) await this.#options.folding.call("moveAverage", { average: this.#place(), weights, at, share });
  }

  /** The average as bytes, for a file; null if it has seen nothing. */
  async save(): Promise<Uint8Array<ArrayBuffer> | null> {
    const progress = this.#progress;
    if (progress === null || progress.mass === 0) return null;
    return await this.#options.folding.call("saveAverage", { average: this.#place(), progress });
  }

  #place(): WeightsBytes {
    return this.#values ??= new Uint8Array(new SharedArrayBuffer(4 * this.#options.words));
  }
}

interface TakenState {
  /** Tokens of the run that led to it. */
  readonly tokens: number;
  /** Sequences. */
  readonly globalBatch: number;
  /** Of several lineages the one that people are shown is averaged, whichever that is then. */
  readonly lineage: Pick<TrainedLineage, "leading">;
}
