/**
 * Trains one model on one device: inner steps, their metrics, evaluation, and the cut of a pseudo-gradient.
 *
 * It knows no rounds, peers, data or schedule. Everything is planned, allocated and compiled when it opens; after that
 * a step writes its tokens and its rates and runs programs. Only methods that return a promise wait for the device, and
 * what they return is the state at the moment of the call, so steps may be enqueued while one waits.
 *
 * The way of one batch: `step()`.
 * @module
 */
import { ropeTable } from "../../kernels/rope.ts";
import { asWords, type Device, type DeviceBuffer, type Program, whole } from "../device/device.ts";
import { choiceFor } from "../graph/choice.ts";
import { allocateAll } from "../graph/plan.ts";
import type { RecomputeLevel } from "../graph/recompute.ts";
import { headSize } from "../model/config.ts";
import type { ParameterLayout } from "../model/parameters.ts";
import { expectArena } from "./arena.ts";
import { GradientMeasures, type Measures } from "./gradient_measures.ts";
import { compareHalves, withoutComparison } from "./halves.ts";
import { settingValues, type StepSettings, tensorStarts } from "./inner_step.ts";
import { type Cut, PseudoGradient, type SparseCut, type Sparsity } from "./pseudo_gradient.ts";
import { StepLog, type StepMetrics } from "./step_metrics.ts";
import {
  planTrainer,
  preparePrograms,
  type ProgramOptions,
  type TrainerBuffers,
  type TrainerPlan,
  type TrainerPrograms,
  type TrainerShape,
} from "./trainer_plan.ts";
import type { Precision } from "./training_graph.ts";
import { expectWindows, microBatches, predictedTokens, WindowPacker, type WindowShape } from "./windows.ts";

/** What to train, and on what. */
export interface TrainerOptions extends TrainerShape, ProgramOptions {
  readonly device: Device;
  /** The loss scale of the first step, in f16: what the last trainer of this model had reached. */
  readonly lossScale?: number;
}

/**
 * The loss scale of a new trainer. Per token, it is what PyTorch's 2¹⁶ is for the mean of a batch of 64 tokens; a batch
 * of thousands could have more, which is found by and by, and less is found in a few skipped steps.
 */
export const FIRST_LOSS_SCALE = 2 ** 10;

/** Read at once of what is read in parts: enough that the wait for a GPU, of some ms, is little of it. */
const PART_WORDS = 4 << 20;

/** Losses of some windows, summed. */
export interface Evaluation {
  /** Nats. */
  readonly lossSum: number;
  /** Predicted tokens. */
  readonly tokens: number;
}

/** All of an optimizer that a checkpoint needs besides the weights. */
export interface Moments {
  readonly first: Float32Array<ArrayBuffer>;
  readonly second: Float32Array<ArrayBuffer>;
  readonly stepCount: number;
  /** Product of β₂ over all steps. */
  readonly beta2Product: number;
  /** Error feedback; null without outer steps. */
  readonly residual: Float32Array<ArrayBuffer> | null;
}

/**
 * Opens a trainer with weights, moments and residual of zero: call `writeWeights` (and `loadMoments`) next.
 * @throws {DeviceMemoryError} if the plan does not fit; nothing stays allocated. Try half the micro-batch.
 */
export async function openTrainer(options: TrainerOptions): Promise<Trainer> {
  const { device, model, microBatch, outer = true, measured = outer, choice = choiceFor(device) } = options;
  const plan = planTrainer({ ...options, choice });
  const buffers = allocateAll(device, plan.bufferWords) as TrainerBuffers; // `planTrainer` names all of them
  try {
    const programs = await preparePrograms(device, { buffers, plan }, options);
    const T = model.contextLength, positions = Uint32Array.from({ length: microBatch * T }, (_, n) => n % T);
    device.write(whole(buffers.positions), positions);
    device.write(whole(buffers.tensor_starts), tensorStarts(plan.training.layout));
    device.write(whole(buffers.loss_scale), Float32Array.of(options.lossScale ?? FIRST_LOSS_SCALE, 0));
    if (model.family === "llama") {
      const table = { positionCount: model.contextLength, headSize: headSize(model), base: model.ropeTheta };
      device.write(whole(buffers.rotary), ropeTable(table));
    }
    const pseudoGradient = outer ? await PseudoGradient.open(device, buffers) : undefined;
    // What the last dense cut left out is kept in an arena that is free once the fate of the contribution is known.
    const first_half = outer ? buffers.next_residual : buffers.first_half;
    const measures = measured ? await GradientMeasures.open(device, { ...buffers, first_half }) : undefined;
    return new Trainer(options, { plan, buffers, programs, pseudoGradient, measures });
  } catch (error) {
    for (const buffer of Object.values(buffers)) device.free(buffer);
    throw error;
  }
}

/** A model in training on one device. Made by `openTrainer`; disposing frees its buffers, not the device. */
export class Trainer implements AsyncDisposable {
  readonly layout: ParameterLayout;
  readonly microBatch: number;
  readonly plannedBytes: number;
  readonly precision: Precision;
  /** What the backward pass computes again. */
  readonly recompute: RecomputeLevel;
  readonly #device: Device;
  readonly #shape: WindowShape;
  readonly #packer: WindowPacker;
  readonly #buffers: TrainerBuffers;
  readonly #programs: TrainerPrograms;
  /** Of a micro-batch, with their shares of its time. */
  readonly #parts: readonly { readonly program: Program; readonly share: number }[];
  readonly #pseudoGradient: PseudoGradient | undefined;
  readonly #measures: GradientMeasures | undefined;
  readonly #log = new StepLog();
  #stepCount = 0;
  #lossScale: number;
  /** Whether the last step's gradient, of one sequence, waits for the next one's. */
  #isKept = false;
  /** Of all steps: β₂ may change from step to step, and bias correction goes by it. */
  #beta2Product = 1;

  /** Use `openTrainer`. */
  constructor({ device, model, microBatch, lossScale = FIRST_LOSS_SCALE }: TrainerOptions, parts: TrainerParts) {
    this.#device = device;
    this.#shape = { B: microBatch, T: model.contextLength, V: model.vocabularySize };
    this.#packer = new WindowPacker(this.#shape);
    this.#buffers = parts.buffers;
    this.#programs = parts.programs;
    const { forward, head, backward } = parts.programs, ofMicroBatch = [...forward, ...head, ...backward];
    const all = ofMicroBatch.reduce((sum, { work }) => sum + work, 0);
    this.#parts = ofMicroBatch.map(({ program, work }) => ({ program, share: work / all }));
    this.#pseudoGradient = parts.pseudoGradient;
    this.#measures = parts.measures;
    this.layout = parts.plan.training.layout;
    this.plannedBytes = parts.plan.plannedBytes;
    this.precision = parts.plan.precision;
    this.recompute = parts.plan.recompute;
    this.microBatch = microBatch;
    this.#lossScale = lossScale;
  }

  get parameterCount(): number {
    return this.layout.parameterCount;
  }

  /** Steps since the weights were new, skipped ones included: what bias correction goes by. */
  get stepCount(): number {
    return this.#stepCount;
  }

  /** The loss scale of the last step that `readMetrics` told of. */
  get lossScale(): number {
    return this.#lossScale;
  }

  /** The parameter arena, for a generator that shows what is being learned. */
  get parameters(): DeviceBuffer {
    return this.#buffers.parameters;
  }

  /** Replaces the weights. Moments stay: they outlive rounds. */
  writeWeights(weights: Float32Array): void {
    expectArena("these weights", weights, this.layout);
    this.#device.write(whole(this.#buffers.parameters), weights);
    this.#isKept = false;
  }

  /** @param into Memory of the arena's size, to use again. */
  async readWeights(into?: Float32Array<ArrayBuffer>): Promise<Float32Array<ArrayBuffer>> {
    return (await this.#device.read([whole(this.#buffers.parameters)], [into]))[0]!;
  }

  /**
   * One optimizer step on a batch of any size, in micro-batches. Their gradients are sums divided by the tokens of the
   * whole batch, so accumulation computes the gradient of the large batch. Only enqueues.
   *
   * What it measures besides comes with `readMetrics` and changes nothing of the update; only that a batch of one
   * micro-batch is run as two if its halves are compared. A batch of one sequence has none: it is compared with that of
   * the step before, if that was to be measured too. Nothing is compared while `canCompareHalves` is false.
   * @param windows At least one window of 2 to contextLength + 1 tokens.
   */
  step(windows: readonly Uint32Array[], settings: StepSettings, measures: Measures = {}): void {
    const parts = this.stepInParts(windows, settings, measures);
    while (!parts.next().done) { /* all at once */ }
  }

  /**
   * `step` in parts, for whoever has to wait in between: stops before each, and says how much of the step it is, from 0
   * to 1. None should take much more than a tenth of a second, if the device is as fast as was said when it opened. A
   * step that is not run to its end has changed nothing; no other method may be called in the middle of one that is, but
   * for `idle`.
   */
  *stepInParts(
    windows: readonly Uint32Array[],
    settings: StepSettings,
    { halves = false, sketchSeed = null }: Measures = {},
  ): Generator<number, void, void> {
    const tokens = windows.reduce((sum, window) => sum + predictedTokens(window), 0), sequences = windows.length;
    if (tokens <= 0) throw new RangeError("Cannot step: the batch predicts no token");
    const measures = halves || sketchSeed !== null ? this.#measured() : undefined;
    const isKept = this.#isKept, B = this.microBatch;
    this.#isKept = false;
    const comparing = halves && this.canCompareHalves
      ? compareHalves(windows, { B, isKept })
      : withoutComparison(windows, B);
    const { keepAfter, compareAfter, comparison, microBatches: batches } = comparing;
    const beta2Product = this.#beta2Product * settings.beta2;
    const values = settingValues(settings, { tokens, t: this.#stepCount + 1, beta2Product });
    this.#device.write(whole(this.#buffers.settings), values);

    this.#device.run(this.#programs.begin);
    for (const [i, batch] of batches.entries()) {
      this.#device.write(whole(this.#buffers.inputs), this.#packer.pack(batch)); // while the device computes on the one before
      for (const { program, share } of this.#parts) {
        yield share / batches.length;
        this.#device.run(program);
      }
      if (i + 1 === keepAfter) measures?.keepFirstHalf();
      if (i + 1 === compareAfter) measures?.compareHalves();
    }
    this.#isKept = keepAfter !== null && comparison === null;
    this.#stepCount++;
    this.#beta2Product = beta2Product;
    const isSketched = sketchSeed !== null;
    const place = this.#log.push({ step: this.#stepCount, tokens, sequences, comparison, isSketched });
    if (comparison !== null) measures?.noteHalves(place);
    if (isSketched) measures?.sketch(sketchSeed);
    this.#device.run(this.#programs.updates[place]!);
  }

  /** Whether a step could compare halves now. Not between a dense cut and the news of its fate, which need its memory. */
  get canCompareHalves(): boolean {
    return this.#measures !== undefined && !this.#pseudoGradient?.isPending;
  }

  /** Waits for the device. */
  idle(): Promise<void> {
    return this.#device.idle();
  }

  /** Metrics of the steps since the last call, at most the last 64. */
  async readMetrics(): Promise<StepMetrics[]> {
    const reading = this.#log.take();
    if (reading === undefined) return [];
    const { ring, non_finite } = this.#buffers, sketch = reading.hasSketch ? [this.#measured().sketchSpan] : [];
    const [steps, counts, sketched] = await this.#device.read([whole(ring), whole(non_finite), ...sketch]);
    const nonFinite = [...asWords(counts!)].flatMap((count, i) =>
      count > 0 ? [{ name: this.layout.parameters[i]!.name, count }] : []
    );
    const metrics = reading.decode({ ring: steps!, sketch: sketched ?? null, nonFinite });
    if (this.precision === "f16") this.#lossScale = metrics.at(-1)!.lossScale;
    return metrics;
  }

  /**
   * Sums losses without learning.
   * @param windows As in `step`.
   * @param weights Weights to evaluate instead of the trained ones, which are back when it returns.
   */
  async evaluate(windows: readonly Uint32Array[], weights?: Float32Array): Promise<Evaluation> {
    expectWindows(windows, this.#shape); // before anything is changed
    if (weights !== undefined) {
      expectArena("these weights", weights, this.layout);
      this.#device.run(this.#programs.keepWeights);
      this.#device.write(whole(this.#buffers.parameters), weights);
    }
    this.#device.run(this.#programs.beginEvaluation);
    for (const batch of microBatches(windows, this.microBatch)) {
      this.#device.write(whole(this.#buffers.inputs), this.#packer.pack(batch));
      for (const { program } of this.#programs.forward) this.#device.run(program);
      for (const { program } of this.#programs.losses) this.#device.run(program);
    }
    if (weights !== undefined) this.#device.run(this.#programs.restoreWeights);
    const [total] = await this.#device.read([whole(this.#buffers.total)]);
    return { lossSum: total![0]!, tokens: windows.reduce((sum, window) => sum + predictedTokens(window), 0) };
  }

  /** @param into Moments of before, whose memory is used again. */
  async saveMoments(into: Moments | null = null): Promise<Moments> {
    const { first_moment, second_moment } = this.#buffers, stepCount = this.#stepCount;
    const beta2Product = this.#beta2Product;
    const [[first, second], residual] = await Promise.all([
      this.#device.read([whole(first_moment), whole(second_moment)], [into?.first, into?.second]),
      this.#pseudoGradient?.readResidual(into?.residual ?? undefined) ?? null,
    ]);
    return { first: first!, second: second!, stepCount, beta2Product, residual };
  }

  /**
   * What `saveMoments` gives, with the arenas (moments, then residual) one after another and from the device as they are
   * asked for: no step may come before the last of them.
   */
  momentsInParts(): Omit<Moments, "first" | "second" | "residual"> & { readonly arenas: AsyncIterable<Float32Array> } {
    const { first_moment, second_moment, residual } = this.#buffers;
    const buffers = [first_moment, second_moment, ...(residual === undefined ? [] : [residual])];
    return { stepCount: this.#stepCount, beta2Product: this.#beta2Product, arenas: inParts(this.#device, buffers) };
  }

  loadMoments({ first, second, stepCount, beta2Product, residual }: Moments): void {
    for (const arena of [first, second, ...(residual === null ? [] : [residual])]) {
      expectArena("these moments", arena, this.layout);
    }
    this.#device.write(whole(this.#buffers.first_moment), first);
    this.#device.write(whole(this.#buffers.second_moment), second);
    if (residual !== null) this.#pseudoGradient?.writeResidual(residual);
    this.#stepCount = stepCount;
    this.#beta2Product = beta2Product;
  }

  /** Sets the weights that the next cut measures from. */
  writeAnchor(weights: Float32Array): void {
    expectArena("this anchor", weights, this.layout);
    this.#outer().writeAnchor(weights);
  }

  /**
   * Quantises anchor − parameters + residual. Steps may be enqueued while it waits.
   * @param into Of earlier cuts what is not needed any more: it is used again.
   */
  cut(into?: Partial<Cut>): Promise<Cut> {
    this.#isKept = false; // its memory is the cut's
    return this.#outer().cut(into);
  }

  /** As `cut`, but the largest values alone, which are not quantised yet; call `takeOut` next. */
  cutSparse(sparsity: Sparsity, into?: Pick<Partial<Cut>, "weights">): Promise<SparseCut> {
    return this.#outer().cutSparse(sparsity, into);
  }

  /** What the last sparse cut sends, slot by slot: the rest of it stays for the next one. */
  takeOut(sent: Float32Array): void {
    this.#outer().takeOut(sent);
  }

  /** What sparse cuts sent in vain goes into the next one. */
  giveBack(values: Float32Array): void {
    expectArena("these values", values, this.layout);
    this.#outer().giveBack(values);
  }

  /** Forgets what earlier cuts left out. */
  clearResidual(): void {
    this.#outer().writeResidual(new Float32Array(this.layout.words));
  }

  /** Ends the last cut: its quantisation loss goes into the next one if it was counted, and is forgotten if not. */
  commitResidual(keep: boolean): void {
    this.#outer().commitResidual(keep);
  }

  /** Adds to the weights: progress since a cut is rebased on a new anchor by the difference to the weights at the cut. */
  shift(values: Float32Array): void {
    expectArena("this shift", values, this.layout);
    this.#device.write(whole(this.#buffers.gradients), values);
    this.#device.run(this.#programs.shift);
    this.#isKept = false;
  }

  [Symbol.asyncDispose](): Promise<void> {
    for (const buffer of Object.values(this.#buffers)) this.#device.free(buffer);
    return Promise.resolve();
  }

  #outer(): PseudoGradient {
    if (this.#pseudoGradient !== undefined) return this.#pseudoGradient;
    throw new Error("Cannot take part in an outer step: the trainer was opened with 'outer: false'");
  }

  #measured(): GradientMeasures {
    if (this.#measures !== undefined) return this.#measures;
    throw new Error(
      "Cannot measure a gradient: the trainer was opened with 'outer: false' and without 'measured: true', which " +
        "takes one more arena",
    );
  }
}

async function* inParts(device: Device, buffers: readonly DeviceBuffer[]): AsyncGenerator<Float32Array> {
  for (const buffer of buffers) {
    for (let start = 0; start < buffer.words; start += PART_WORDS) {
      yield* await device.read([{ buffer, start, words: Math.min(PART_WORDS, buffer.words - start) }]);
    }
  }
}

interface TrainerParts {
  readonly plan: TrainerPlan;
  readonly buffers: TrainerBuffers;
  readonly programs: TrainerPrograms;
  readonly pseudoGradient: PseudoGradient | undefined;
  readonly measures: GradientMeasures | undefined;
}
