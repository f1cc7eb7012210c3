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
import type { KernelChoice } from "../../kernels/product_choice.ts";
import { type BatchSplit, splitBatch, splitOver, type SwitchMode } from "../batching/split_batch.ts";
import { type Device, DeviceLostError, DeviceMemoryError } from "../device/device.ts";
import type { TrainedLineage } from "../../p2p/learner.ts";
import type { Encoding } from "../../p2p/sync/types.ts";
import type { ModelConfig } from "../model/config.ts";
import { f32 } from "../state/codec/f32.ts";
import { packInt8 } from "../state/codec/int8.ts";
import { DENSITIES, type Density, packTopK, TOPK_DECAY } from "../state/codec/topk.ts";
import { type KeptLineage, type WrittenLineage, writtenLineage } from "../state/checkpoint.ts";
import { type Cut, QUANTISE_BLOCK } from "../train/pseudo_gradient.ts";
import { recomputedParts, type RecomputeLevel } from "../train/recomputed.ts";
import { Stability } from "../train/stability.ts";
import type { StepMetrics } from "../train/step_metrics.ts";
import { nextRecompute, openFittingTrainer } from "../train/fitting_trainer.ts";
import type { Moments, Trainer, TrainerOptions } from "../train/trainer.ts";
import type { Precision } from "../train/training_graph.ts";
import { OwnArenas } from "./own_arenas.ts";
import { newMoments, Turns } from "./turns.ts";
import { Undecided } from "./undecided.ts";

export interface LocalModelOptions {
  /** The model's own from now on: it closes it. */
  readonly device: Device;
  /** Opens one in place of a device that was lost. */
  reopenDevice(): Promise<Device>;
  readonly model: ModelConfig;
  /** Most sequences at once, until `atMost` says otherwise. */
  readonly largestMicroBatch: number;
  /** f16 until it proves no use, or the device is replaced by one without it. Default f32. */
  readonly precision?: Precision;
  /** Tokens a second that the device was measured to train in such micro-batches; undefined: nobody knows. */
  readonly speedAt?: (microBatch: number) => number | undefined;
  /** Which forms matrix products have on a device. Default: what suits its kind. */
  readonly productsOn?: (device: Device) => KernelChoice;
  /** A trainer was opened, with this micro-batch. */
  onOpen(trainer: Trainer): void;
  /** Training goes on in f32 instead of f16, and why. Never without `precision`. */
  onF32?(reason: string): void;
  /** Activations are computed again for lack of memory: for people. */
  onRecompute(message: string): void;
  /** The device had no memory for a micro-batch, and why, unless that is told otherwise; less is tried next. */
  onRefused(microBatch: number, reason: string | null): void;
}

/** What came through a failure of the device. */
export interface Recovery {
  /** Whether progress since the base did. */
  readonly isKept: boolean;
  /** For people. */
  readonly message: string;
}

/** The device has no memory for a single sequence now; what was learned waits on the host. */
export class StarvedError extends Error {
  override readonly name = "StarvedError";

  constructor(cause: DeviceMemoryError) {
    super(cause.message, { cause });
  }
}

export class LocalModel implements AsyncDisposable {
  readonly #options: LocalModelOptions;
  #device: Device;
  #largest: number;
  /** Of activations to be computed again with this micro-batch, since the device's memory ran out in the middle. */
  #leastRecompute: RecomputeLevel = 0;
  #trainer: Trainer | null = null;
  #base: Float32Array | null = null;
  #isMoved = false;
  #precision: Precision;
  readonly #stability = new Stability();
  readonly #arenas = new OwnArenas();
  /** Of the last dense cut, to be read into again. */
  #dense: Pick<Partial<Cut>, "codes" | "scales"> = {};
  /** State of a trainer that is not open: what the next one starts with. */
  #parked: ParkedState = { moments: null, weights: null, lossScale: null };
  /** The last moments that were on the host: better than none if the device is lost. */
  #keptMoments: Moments | null = null;
  /** Contributions whose fate is not known yet. */
  #undecided = new Undecided();
  readonly #turns = new Turns();

  constructor(options: LocalModelOptions) {
    this.#options = options;
    this.#device = options.device;
    this.#largest = options.largestMicroBatch;
    this.#precision = options.precision ?? "f32";
  }

  /** Optimizers to begin with, instead of new ones, before anything is trained. */
  restore(kept: readonly KeptLineage[]): void {
    this.#turns.restore(kept);
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

  /** Whether another lineage was trained last, so that progress since the base is of no use to this one. */
  isOther(lineage: TrainedLineage): boolean {
    return this.#turns.isOther(lineage);
  }

  /** Goes on with what there is of this lineage; call `rebase` next if it is another than before. */
  async turnTo(lineage: TrainedLineage): Promise<void> {
    if (!this.isOther(lineage)) return this.#turns.goOn(lineage);
    const trainer = this.#trainer, own = trainer === null ? this.#parked.moments : await trainer.saveMoments();
    this.#undecided.forgetDense();
    const { moments, undecided } = this.#turns.begin(lineage, { moments: own, undecided: this.#undecided });
    this.#undecided = undecided;
    this.#base = null;
    this.#isMoved = false;
    if (trainer === null) this.#parked = { ...this.#parked, moments, weights: null };
    else trainer.loadMoments(moments ?? newMoments(trainer.layout.words));
    this.#keptMoments = moments;
  }

  /** Begins with new moments; error feedback stays. */
  async resetMoments(): Promise<void> {
    if (this.#trainer === null) return;
    const { residual } = await this.#trainer.saveMoments();
    this.#trainer.loadMoments(newMoments(this.#trainer.layout.words, residual ?? undefined));
  }

  /** Most sequences at once, from the next `fit` on: what is fastest, or what fits. */
  atMost(microBatch: number): void {
    if (microBatch !== this.#largest) this.#leastRecompute = 0;
    this.#largest = microBatch;
  }

  /**
   * Makes ready for inner steps of `batch` sequences.
   * @throws {StarvedError} if not even one sequence fits: nothing is lost, and `fit` may be called again later.
   */
  async fit(batch: number, mode: SwitchMode = "accumulate"): Promise<BatchSplit> {
    for (;;) {
      const split = splitBatch(batch, this.#largest, mode), { microBatch } = split, current = this.#overOpen(split);
      if (current !== null) return current;
      try {
        await this.#open(microBatch);
        return split;
      } catch (error) {
        if (!(error instanceof DeviceMemoryError)) throw error;
        if (microBatch === 1) throw new StarvedError(error);
        this.#refuse(microBatch, error.message);
      }
    }
  }

  /**
   * Notes how steps went. False if f16 proves no use: then training goes on in f32 from the same weights and moments,
   * for good; call `fit` next.
   */
  async took(steps: readonly StepMetrics[]): Promise<boolean> {
    if (this.trainer.precision === "f32") return true;
    const reason = steps.map((step) => this.#stability.add(step)).find((each) => each !== null);
    if (reason === undefined) return true;
    await this.#park(await this.#takeState(this.trainer));
    this.#goOnInF32(reason);
    return false;
  }

  /** Goes on from another anchor. */
  rebase(anchor: Float32Array): void {
    const { trainer } = this;
    if (this.#base !== null && this.#isMoved) {
      trainer.shift(this.#arenas.difference(anchor, this.#base));
    } else {
      trainer.writeWeights(anchor);
    }
    this.#setBase(anchor);
  }

  /** Encodes what was learned since the base; what becomes of what it leaves out waits for `settle(round)`. */
  async cut(round: number, { codec, kept }: Encoding): Promise<Uint8Array<ArrayBuffer>> {
    if (codec === "topk") return await this.#cutSparse(round, densityOf(kept));
    const base = this.#base!, cut = await this.trainer.cut({ ...this.#dense, ...this.#arenas.spare(base) });
    const { codes, scales, weights } = cut;
    this.#dense = { codes, scales };
    this.#cutAt(weights);
    if (codec === "int8") {
      this.#undecided.addDense(round);
      return packInt8({ codes, exponents: scales, length: weights.length, block: QUANTISE_BLOCK });
    }
    this.trainer.commitResidual(false); // nothing was left out
    return f32.encode(this.#arenas.difference(base, weights)).bytes;
  }

  /**
   * Error feedback. What a dense contribution left out goes into the next one only if this one was counted. What a
   * sparse one sent goes into the next one if it was lost; but of two lost in a row nothing does, for what was learned
   * so far from the run's weights is worth no more.
   */
  settle(round: number, isCounted: boolean): void {
    const settled = this.#undecided.settle(round, isCounted), trainer = this.#trainer;
    if (settled === null) return this.#turns.settle(round, isCounted);
    if (trainer === null) return;
    if (settled.kind === "dense") trainer.commitResidual(isCounted);
    else if (settled.lostInARow > 1) trainer.clearResidual();
    else if (!isCounted) trainer.giveBack(Float32Array.from(settled.decode(trainer.layout.words)));
  }

  /**
   * Makes ready to go on after the device failed in the middle of something: on another device if it was lost; if its
   * memory ran out, with more that is computed again, or half the micro-batch. Call `fit` next: if not even one sequence fits any more, it says so.
   */
  async recover(failure: DeviceLostError | DeviceMemoryError): Promise<Recovery> {
    const trainer = this.#trainer;
    if (failure instanceof DeviceLostError) {
      const from = await this.#restart();
      await closeQuietly(this.#device);
      this.#device = await this.#options.reopenDevice();
      if (!this.#device.storesF16) this.#goOnInF32("the device that took the place of the lost one cannot store it");
      return { isKept: false, message: `${failure.message}. Training goes on on ${this.#device.description}, ${from}` };
    }
    if (trainer === null) return { isKept: true, message: failure.message };
    const how = `${failure.message}. ${this.#saveMemory(trainer)}; batches stay as they are`;
    const state = await stateOf(trainer).catch(() => null);
    if (state === null) return { isKept: false, message: `${how}. It starts ${await this.#restart()}` };
    await this.#park(state);
    return { isKept: true, message: how };
  }

  /**
   * The optimizer of each lineage, to be written before anything else is done here: what is on the device is read from
   * there as it is written. Empty before anything was trained.
   */
  optimizers(): readonly WrittenLineage[] {
    const trainer = this.#trainer, { current } = this.#turns;
    const onHost = this.#turns.kept(trainer === null ? this.#parked.moments : null).map(writtenLineage);
    return trainer === null || current === null ? onHost : [...onHost, { from: current, ...trainer.momentsInParts() }];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#trainer !== null) await closeQuietly(this.#trainer);
    await closeQuietly(this.#device);
  }

  /** Chooses what takes less memory than a trainer; gives it in words. */
  #saveMemory(trainer: Trainer): string {
    const { microBatch } = trainer, next = nextRecompute(trainer, this.#trainerOptions(microBatch));
    if (next === null) {
      this.#refuse(microBatch, null);
      return `Training goes on in micro-batches of ${this.#largest}`;
    }
    this.#leastRecompute = next;
    return `Training goes on in micro-batches of ${microBatch}, with ${recomputedParts(next)} computed again`;
  }

  #refuse(microBatch: number, reason: string | null): void {
    this.#leastRecompute = 0;
    this.#largest = Math.max(1, Math.floor(microBatch / 2));
    if (microBatch > 1) this.#options.onRefused(microBatch, reason);
  }

  /** Goes back to the base, with the last moments that the host has; gives it in words. */
  async #restart(): Promise<string> {
    // What quantisation lost before the base was contributed since, or not at all.
    const moments = this.#keptMoments === null ? null : { ...this.#keptMoments, residual: null };
    await this.#park({ moments, weights: this.#base, lossScale: this.#trainer?.lossScale ?? null });
    this.#isMoved = false;
    return `from the last contribution with ${
      moments === null ? "new moments" : `moments of step ${moments.stepCount}`
    }`;
  }

  #goOnInF32(reason: string): void {
    if (this.#precision === "f32") return;
    this.#precision = "f32";
    this.#options.onF32?.(reason);
  }

  /** What a trainer has, in the memory of the moments that it makes old. */
  async #takeState(trainer: Trainer): Promise<ParkedState> {
    const old = this.#keptMoments;
    this.#keptMoments = null; // if the device fails meanwhile, they are half overwritten
    return await stateOf(trainer, old);
  }

  /** Closes the trainer and keeps a state for the next one. */
  async #park(state: ParkedState): Promise<void> {
    if (this.#trainer !== null) await closeQuietly(this.#trainer);
    this.#trainer = null;
    this.#undecided.forgetDense();
    this.#parked = state;
    this.#keptMoments = state.moments ?? this.#keptMoments;
  }

  /** How the open trainer would execute a batch, or null if a new one would do it clearly better. */
  #overOpen(split: BatchSplit): BatchSplit | null {
    if (this.#trainer === null || this.#trainer.microBatch > this.#largest) return null;
    return splitOver(this.#trainer.microBatch, split);
  }

  async #cutSparse(round: number, kept: Density): Promise<Uint8Array<ArrayBuffer>> {
    const { places, values, weights } = await this.trainer.cutSparse(
      { kept, decay: TOPK_DECAY },
      this.#arenas.spare(this.#base!),
    );
    const { bytes, sent } = packTopK({ places, values, length: weights.length, kept });
    this.trainer.takeOut(sent);
    this.#cutAt(weights);
    this.#undecided.addSparse(round, bytes);
    return bytes;
  }

  #cutAt(weights: Float32Array<ArrayBuffer>): void {
    this.#arenas.keep(weights);
    this.#setBase(weights);
    this.#isMoved = false;
  }

  #setBase(weights: Float32Array): void {
    this.#base = weights;
    this.trainer.writeAnchor(weights);
  }

  #trainerOptions(microBatch: number): TrainerOptions {
    const { model, productsOn, speedAt } = this.#options, device = this.#device, choice = productsOn?.(device);
    const options = { device, model, microBatch, precision: this.#precision, tokensPerSecond: speedAt?.(microBatch) };
    return choice === undefined ? options : { ...options, choice };
  }

  /** Replaces the trainer by one of another micro-batch in the same state. */
  async #open(microBatch: number): Promise<void> {
    const { onOpen } = this.#options;
    if (this.#trainer !== null) await this.#park(await this.#takeState(this.#trainer));
    const { moments, weights, lossScale } = this.#parked, recompute = this.#leastRecompute;
    const options = { ...this.#trainerOptions(microBatch), recompute };
    const { trainer, refusal } = await openFittingTrainer(lossScale === null ? options : { ...options, lossScale });
    if (refusal !== null) this.#options.onRecompute(howItFits(trainer, refusal));
    if (moments !== null) trainer.loadMoments(moments);
    if (weights !== null) trainer.writeWeights(weights);
    if (this.#base !== null) trainer.writeAnchor(this.#base);
    this.#trainer = trainer;
    this.#parked = { moments: null, weights: null, lossScale: null };
    onOpen(trainer);
  }
}

interface ParkedState {
  readonly moments: Moments | null;
  readonly weights: Float32Array | null;
  /** Null for that of a new trainer. */
  readonly lossScale: number | null;
}

function howItFits({ microBatch, recompute, plannedBytes }: Trainer, { message }: DeviceMemoryError): string {
  return `A micro-batch of ${microBatch} fits with ${recomputedParts(recompute)} computed again, in ${plannedBytes} ` +
    `bytes, and not without (${message})`;
}

async function stateOf(trainer: Trainer, into: Moments | null = null): Promise<ParkedState> {
  const { lossScale } = trainer;
  return { moments: await trainer.saveMoments(into), weights: await trainer.readWeights(), lossScale };
}

/** What is lost cannot be closed. */
async function closeQuietly(resource: AsyncDisposable): Promise<void> {
  try {
    await resource[Symbol.asyncDispose]();
  } catch (error) {
    if (!(error instanceof DeviceLostError)) throw error;
  }
}

function densityOf(kept: number): Density {
  const density = DENSITIES.find((density) => density === kept);
  if (density !== undefined) return density;
  throw new RangeError(`Cannot keep ${kept} of 4096 values; this program keeps ${DENSITIES.join(", ")}`);
}
