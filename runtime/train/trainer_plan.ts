/**
 * What a trainer is made of before it trains: every buffer by its words, and the programs that run over them.
 *
 * `planTrainer` needs no device, so that memory can be told, and a micro-batch chosen, before anything is allocated.
 * @module
 */
import { type KernelChoice, ONE_FORM } from "../../kernels/product_choice.ts";
import type { Device, DeviceBuffer, Program } from "../device/device.ts";
import { bindSteps, type Part, prepareParts, workOf } from "../graph/plan.ts";
import type { RecomputeLevel } from "../graph/recompute.ts";
import type { ModelConfig } from "../model/config.ts";
import { bytesOf } from "./arena.ts";
import { type MeasureBuffers, measureWords } from "./gradient_measures.ts";
import { type InnerBuffers, innerDispatches, innerWords } from "./inner_step.ts";
import { type PseudoGradientBuffers, pseudoGradientWords } from "./pseudo_gradient.ts";
import { RING_LENGTH } from "./step_metrics.ts";
import {
  type Precision,
  type StepRange,
  type TrainingBuffer,
  type TrainingGraph,
  trainingGraph,
  type TrainingParts,
} from "./training_graph.ts";

/** What to train, and how much at once. */
export interface TrainerShape {
  readonly model: ModelConfig;
  /** Sequences that go through the model at once. */
  readonly microBatch: number;
  /** Whether pseudo-gradients will be cut, which takes three more arenas. Default true. */
  readonly outer?: boolean;
  /**
   * Whether steps may measure their gradients. Default: as `outer`, whose arenas have room for it; without it takes one
   * more.
   */
  readonly measured?: boolean;
  /** How activations lie in memory. Default f32; f16 only on a device that stores it. */
  readonly precision?: Precision;
  /** Which forms products have. Default: one that suits every device; an open trainer has its device's. */
  readonly choice?: KernelChoice;
  /** Most bytes of logits at once; see `classify`. */
  readonly logitsBytes?: number;
  /** What the backward pass computes again instead of finding it in memory. Default 0: nothing. */
  readonly recompute?: RecomputeLevel;
}

/** What a trainer asks of a device. */
export interface TrainerPlan {
  readonly training: TrainingGraph;
  readonly precision: Precision;
  readonly recompute: RecomputeLevel;
  /** Words of every buffer. */
  readonly bufferWords: Readonly<Record<string, number>>;
  readonly plannedBytes: number;
}

/** The buffers of a plan, allocated. */
export type TrainerBuffers =
  & Readonly<Record<string, DeviceBuffer>>
  & Readonly<Record<TrainingBuffer, DeviceBuffer>>
  & InnerBuffers
  & PseudoGradientBuffers
  & MeasureBuffers;

export interface TrainerPrograms {
  readonly begin: Program;
  readonly beginEvaluation: Program;
  /** The parts of a micro-batch, each one program or several. */
  readonly forward: readonly Part[];
  readonly losses: readonly Part[];
  readonly head: readonly Part[];
  readonly backward: readonly Part[];
  /** One for each place of the ring. */
  readonly updates: readonly Program[];
  readonly keepWeights: Program;
  readonly restoreWeights: Program;
  readonly shift: Program;
}

/** Plans without a device: for printing what a run will need, and for finding a micro-batch that fits. */
export function planTrainer(shape: TrainerShape): TrainerPlan {
  const { model, microBatch, outer = true, measured = outer, precision = "f32", logitsBytes, recompute = 0 } = shape;
  const B = microBatch, T = model.contextLength, { choice = ONE_FORM } = shape;
  const training = trainingGraph(model, { B, T, precision, logitsBytes, recompute, choice });
  const arena = training.layout.words;
  const bufferWords = {
    ...training.bufferWords,
    ...innerWords(training.layout),
    ...(outer ? pseudoGradientWords(arena) : {}),
    ...(measured ? measureWords() : {}),
    ...(measured && !outer ? { first_half: arena } : {}),
    ...Object.fromEntries(training.memory.slotWords.map((words, slot) => [slotName(slot), words])),
  };
  return { training, precision, recompute, bufferWords, plannedBytes: bytesOf(bufferWords) };
}

/** A desktop stays usable, and a throttle acts, between programs of this length. */
const PROGRAM_MS = 100;
/** Operations in that time on an ordinary GPU, of 5 TFLOP/s: for devices that nobody has measured. */
const ORDINARY_WORK = 5e11;

export interface ProgramOptions {
  /** Tokens that the device was measured to train in a second; undefined: nobody knows. */
  readonly tokensPerSecond?: number | undefined;
}

/** Compiles everything that a trainer ever runs, but the cut of a pseudo-gradient. */
export async function preparePrograms(
  device: Device,
  { buffers, plan }: { readonly buffers: TrainerBuffers; readonly plan: TrainerPlan },
  { tokensPerSecond }: ProgramOptions,
): Promise<TrainerPrograms> {
  const { training, precision } = plan;
  const slots = training.memory.slotWords.map((_, slot) => buffers[slotName(slot)]!);
  const dispatches = bindSteps(training.graph, { memory: training.memory, slots, buffers });
  const inner = innerDispatches(buffers, { layout: training.layout, precision });
  const dispatchesOf = ({ start, stop }: StepRange) => dispatches.slice(start, stop);
  const { forward, head, backward } = training.parts;
  const work = [forward, head, backward].flatMap(dispatchesOf).reduce((sum, dispatch) => sum + workOf(dispatch), 0);
  const mostWork = tokensPerSecond === undefined
    ? ORDINARY_WORK
    : work * PROGRAM_MS * tokensPerSecond / (1000 * training.tokens);
  const parts = (label: keyof TrainingParts) =>
    prepareParts(device, dispatchesOf(training.parts[label]), { label, mostWork });
  return {
    begin: await device.prepare([inner.clearGradients, inner.clearTotal, ...inner.narrow], "begin step"),
    beginEvaluation: await device.prepare([inner.clearTotal, ...inner.narrow], "begin evaluation"),
    forward: await parts("forward"),
    losses: await parts("losses"),
    head: await parts("head"),
    backward: await parts("backward"),
    updates: await Promise.all(
      Array.from({ length: RING_LENGTH }, (_, place) => device.prepare(inner.update(place), "update")),
    ),
    keepWeights: await device.prepare([inner.keepWeights], "keep weights"),
    restoreWeights: await device.prepare([inner.restoreWeights], "restore weights"),
    shift: await device.prepare([inner.shift], "shift"),
  };
}

function slotName(slot: number): string {
  return `slot ${slot}`;
}
