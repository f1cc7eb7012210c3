/**
 * This peer's copy of the model as it trains: a trainer, the weights that its next contribution is measured from, and
 * the way from one anchor to the next without losing steps.
 *
 * It knows no data, time or schedule. B is the base: the anchor of the last order, or the weights at the last cut if
 * that came later. Whatever happens in between, the next contribution says B − parameters:
 *
 *  - cut: B ← parameters. What was contributed is not contributed again.
 *  - rebase on an anchor A: parameters ← A + (parameters − B), B ← A. What was not contributed yet is kept.
 * @module
 */
import { splitBatch } from "../batching/split_batch.ts";
import { type Device, DeviceMemoryError } from "../device/device.ts";
import type { ModelConfig } from "../model/config.ts";
import type { CodecName } from "../state/codec/codec.ts";
import { f32 } from "../state/codec/f32.ts";
import { packInt8 } from "../state/codec/int8.ts";
import type { OuterMoments } from "../state/checkpoint.ts";
import { QUANTISE_BLOCK } from "../train/pseudo_gradient.ts";
import { type Moments, openTrainer, type Trainer } from "../train/trainer.ts";

export interface LocalModelOptions {
  readonly device: Device;
  readonly model: ModelConfig;
  readonly codec: CodecName;
  /** Most sequences at once: what is fastest, or what fits. */
  readonly largestMicroBatch: number;
  /** A trainer was opened, with this micro-batch. */
  onOpen(trainer: Trainer): void;
  /** The device had no memory for a micro-batch; half of it is tried next. */
  onMemoryShort(microBatch: number, message: string): void;
}

/** How an inner step is executed. */
export interface StepShape {
  readonly batch: number;
  readonly microBatch: number;
  readonly accumulation: number;
}

/** An executed batch may differ from the requested one by this share before the trainer is opened anew. */
const TOLERATED = 0.25;

export class LocalModel implements AsyncDisposable {
  readonly #options: LocalModelOptions;
  #largest: number;
  #trainer: Trainer | null = null;
  #base: Float32Array | null = null;
  #isMoved = false;
  /** State of a trainer that is not open: what the next one starts with. */
  #parked: { readonly moments: Moments | null; readonly weights: Float32Array | null } = {
    moments: null,
    weights: null,
  };
  /** Round of the last cut, until its fate is known. */
  #pending: number | null = null;

  constructor(options: LocalModelOptions) {
    this.#options = options;
    this.#largest = options.largestMicroBatch;
  }

  /** The optimizer's state to begin with, instead of zeros. */
  loadMoments(moments: Moments): void {
    this.#parked = { ...this.#parked, moments };
    this.#trainer?.loadMoments(moments);
  }

  /** The trainer of the last `fit`; call `stepped` after its steps. */
  get trainer(): Trainer {
    if (this.#trainer === null) throw new Error("Cannot train: no order has come yet");
    return this.#trainer;
  }

  /** The parameters are no longer the base. */
  stepped(): void {
    this.#isMoved = true;
  }

  /**
   * Makes ready for inner steps of about `batch` sequences.
   * @throws {DeviceMemoryError} if not even one sequence fits.
   */
  async fit(batch: number): Promise<StepShape> {
    const current = this.#shapeNow(batch);
    if (current !== null) return current;
    for (;;) {
      const { microBatch, accumulation } = splitBatch(batch, this.#largest);
      try {
        await this.#open(microBatch);
        return { batch: microBatch * accumulation, microBatch, accumulation };
      } catch (error) {
        if (!(error instanceof DeviceMemoryError) || microBatch === 1) throw error;
        this.#largest = Math.floor(microBatch / 2);
        this.#options.onMemoryShort(microBatch, error.message);
      }
    }
  }

  /** Goes on from another anchor. */
  rebase(anchor: Float32Array): void {
    const { trainer } = this;
    if (this.#base !== null && this.#isMoved) {
      trainer.shift(difference(anchor, this.#base));
    } else {
      trainer.writeWeights(anchor);
    }
    this.#setBase(anchor);
  }

  /** Encodes what was learned since the base; its quantisation loss waits for `settle(round)`. */
  async cut(round: number): Promise<Uint8Array<ArrayBuffer>> {
    const base = this.#base!, { codes, scales, weights } = await this.trainer.cut();
    this.#pending = round;
    this.#setBase(weights);
    this.#isMoved = false;
    if (this.#options.codec === "f32") return f32.encode(difference(base, weights)).bytes;
    return packInt8({ codes, exponents: scales, length: weights.length, block: QUANTISE_BLOCK });
  }

  /** Error feedback: the last cut's loss goes into the next contribution only if the last one was counted. */
  settle(round: number, isCounted: boolean): void {
    if (this.#pending !== round) return;
    this.#pending = null;
    this.#trainer?.commitResidual(isCounted && this.#options.codec !== "f32");
  }

  async saveMoments(): Promise<OuterMoments | null> {
    const moments = await this.#trainer?.saveMoments() ?? this.#parked.moments;
    return moments === null || moments.residual === null ? null : { ...moments, residual: moments.residual };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#trainer?.[Symbol.asyncDispose]();
  }

  /** How the open trainer would execute a batch, or null if a new one would do it clearly better. */
  #shapeNow(batch: number): StepShape | null {
    if (this.#trainer === null || this.#trainer.microBatch > this.#largest) return null;
    const { microBatch } = this.#trainer, accumulation = Math.max(1, Math.round(batch / microBatch));
    const executed = microBatch * accumulation, wanted = splitBatch(batch, this.#largest);
    const fits = Math.abs(executed - batch) <= TOLERATED * batch && accumulation < 2 * wanted.accumulation;
    return fits ? { batch: executed, microBatch, accumulation } : null;
  }

  #setBase(weights: Float32Array): void {
    this.#base = weights;
    this.trainer.writeAnchor(weights);
  }

  /** Replaces the trainer by one of another micro-batch in the same state. */
  async #open(microBatch: number): Promise<void> {
    const { device, model, onOpen } = this.#options;
    if (this.#trainer !== null) {
      this.#parked = { moments: await this.#trainer.saveMoments(), weights: await this.#trainer.readWeights() };
      await this.#trainer[Symbol.asyncDispose]();
      this.#trainer = null;
      this.#pending = null;
    }
    const trainer = await openTrainer({ device, model, microBatch }), { moments, weights } = this.#parked;
    if (moments !== null) trainer.loadMoments(moments);
    if (weights !== null) trainer.writeWeights(weights);
    if (this.#base !== null) trainer.writeAnchor(this.#base);
    this.#trainer = trainer;
    this.#parked = { moments: null, weights: null };
    onOpen(trainer);
  }
}

function difference(a: Float32Array, b: Float32Array): Float32Array<ArrayBuffer> {
  const values = new Float32Array(a.length);
  for (let i = 0; i < values.length; i++) values[i] = a[i]! - b[i]!;
  return values;
}
