/**
 * Where trials are trained: one device and a text, and the trainer that is open on it.
 *
 * Trials come one after another, often with the same model, so a trainer stays open until another shape is asked for.
 * A device that has no memory for a micro-batch computes activations again, which changes no bit; if that is not enough,
 * it gets half of it, and what a step computes stays the same but for rounding.
 * @module
 */
import type { TokenSource } from "../data/corpus.ts";
import { openCorpus } from "../data/corpus.ts";
import { windowAt } from "../data/order.ts";
import type { TokenReader } from "../data/tokens.ts";
import { type Device, DeviceMemoryError } from "../device/device.ts";
import type { ModelConfig } from "../model/config.ts";
import { openFittingTrainer, plansToTry } from "../train/fitting_trainer.ts";
import type { Trainer } from "../train/trainer.ts";
import { heldOutWindows } from "../worker/held_out.ts";

export interface WorkbenchOptions {
  readonly device: Device;
  /** The text of every trial. */
  readonly text: TokenReader;
  /** Chooses the windows that every trial is judged by. */
  readonly seed: number;
  /** For people. */
  onWarning(message: string): void;
}

/** Where devices level off: more at once costs memory and saves no time. */
const MICRO_BATCH_TOKENS = 4096;

export class Workbench implements AsyncDisposable {
  readonly #options: WorkbenchOptions;
  #open: { readonly model: string; readonly microBatch: number; readonly trainer: Trainer } | null = null;
  /** Largest micro-batch that this device has not refused yet, by model. */
  readonly #limits = new Map<string, number>();

  constructor(options: WorkbenchOptions) {
    this.#options = options;
  }

  get device(): string {
    return this.#options.device.description;
  }

  /**
   * A trainer for steps of a batch, its moments at zero. It stays the workbench's.
   * @throws {DeviceMemoryError} if not even one sequence fits.
   */
  async trainer(config: ModelConfig, batch: number): Promise<Trainer> {
    const { device, onWarning } = this.#options, model = JSON.stringify(config);
    const most = Math.max(1, Math.floor(MICRO_BATCH_TOKENS / config.contextLength));
    let microBatch = Math.min(batch, most, this.#limits.get(model) ?? Infinity);
    for (;;) {
      if (this.#open?.model === model && this.#open.microBatch === microBatch) return fresh(this.#open.trainer);
      await this.#close();
      try {
        const { trainer } = await openFittingTrainer({ device, model: config, microBatch, outer: false });
        this.#open = { model, microBatch, trainer };
        return trainer;
      } catch (error) {
        if (!(error instanceof DeviceMemoryError)) throw error;
        if (microBatch === 1) throw new DeviceMemoryError(tooLarge(config, error), { cause: error });
        microBatch >>= 1;
        this.#limits.set(model, microBatch);
        onWarning(`The device has no memory for more; goes on with ${microBatch} sequences at once. ${error.message}`);
      }
    }
  }

  /** The windows at some positions of a run's order. */
  windows({ contextLength, vocabularySize }: ModelConfig, { seed, first, count }: {
    readonly seed: number;
    readonly first: number;
    readonly count: number;
  }): Uint32Array[] {
    const { train } = openCorpus(this.#options.text, { contextLength, vocabularySize });
    return Array.from({ length: count }, (_, i) => readWindow(train, { seed, position: first + i, contextLength }));
  }

  /** The windows that every trial with this context is judged by. */
  heldOut({ contextLength, vocabularySize }: ModelConfig): readonly Uint32Array[] {
    const { heldOut } = openCorpus(this.#options.text, { contextLength, vocabularySize });
    return heldOutWindows(heldOut, { seed: this.#options.seed, contextLength });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#close();
  }

  async #close(): Promise<void> {
    const open = this.#open;
    this.#open = null;
    await open?.trainer[Symbol.asyncDispose]();
  }
}

function readWindow(
  train: TokenSource,
  { seed, position, contextLength }: {
    readonly seed: number;
    readonly position: number;
    readonly contextLength: number;
  },
): Uint32Array {
  const window = new Uint32Array(contextLength + 1);
  train.read(windowAt(position, { seed, windowCount: train.windowCount }), window);
  return window;
}

function fresh(trainer: Trainer): Trainer {
  const { words } = trainer.layout, zeros = new Float32Array(words);
  trainer.loadMoments({ first: zeros, second: zeros, stepCount: 0, beta2Product: 1, residual: null });
  return trainer;
}

function tooLarge(model: ModelConfig, { message }: Error): string {
  const { plannedBytes } = plansToTry({ model, microBatch: 1, outer: false }).at(-1)!;
  return `Cannot train this trial: one sequence of it needs ${(plannedBytes / 1e6).toFixed(0)} MB and the device ` +
    `does not give them (${message}). Choose another --device, or a smaller model with --proxy`;
}
