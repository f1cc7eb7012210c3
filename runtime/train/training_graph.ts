/**
 * One micro-batch as a graph: forward, losses, backward into the gradient arena. No device, no optimizer.
 *
 * N = B·T tokens: B sequences of T positions.
 * @module
 */
import { type KernelChoice, ONE_FORM } from "../../kernels/product_choice.ts";
import { type Classified, classify, type Look } from "../graph/classifier.ts";
import { appendBackward } from "../graph/gradient.ts";
import { type MemoryPlan, planMemory } from "../graph/memory.ts";
import { addSum, attention } from "../graph/ops.ts";
import { alignedWords } from "../graph/plan.ts";
import { type RecomputeLevel, recomputing } from "../graph/recompute.ts";
import { Graph, type Tensor } from "../graph/tensor.ts";
import type { ModelConfig } from "../model/config.ts";
import { f16Layout } from "../model/f16_parameters.ts";
import { type Forward, headsOf, parameterTensors } from "../model/family.ts";
import { hiddenStates, outputWeight } from "../model/forward.ts";
import { type ParameterLayout, parameterLayout } from "../model/parameters.ts";

/**
 * `inputs`: ids, targets, then the order of the ids and where each segment of it stops (`windows.ts`). `positions`: 0 … T−1 for each sequence. `rotary`: one word where it is not used.
 * `f16_parameters`: copies in f16, made before the graph runs; one word in f32.
 */
export type TrainingBuffer = "parameters" | "gradients" | "inputs" | "positions" | "rotary" | "f16_parameters";

export interface LossGraph {
  readonly layout: ParameterLayout;
  readonly graph: Graph;
  /** (N). */
  readonly losses: Tensor;
  /** The gradient of the last hidden states, by them: where the backward pass of the layers begins. */
  readonly seed: ReadonlyMap<Tensor, Tensor>;
  /**
   * Words of the named buffers that the graph is bound to; besides them `settings` (`loss_scale` in f16), whose first
   * word scales the gradient, and `total`, to which the losses are added.
   */
  readonly bufferWords: Readonly<Record<TrainingBuffer, number>>;
}

/** Steps of a graph, from the first to before the last. */
export interface StepRange {
  readonly start: number;
  readonly stop: number;
}

/**
 * The parts of a micro-batch, in the order of the graph's steps. Training runs `forward`, `head` and `backward`,
 * evaluation `forward` and `losses`.
 */
export interface TrainingParts {
  /** Tokens to the last hidden states. */
  readonly forward: StepRange;
  /** Those to losses, and nothing else. */
  readonly losses: StepRange;
  /** Those to losses and to the gradients of the output layer and of the hidden states. */
  readonly head: StepRange;
  /** The layers, from the last to the first. */
  readonly backward: StepRange;
}

export interface TrainingGraph extends Pick<LossGraph, "layout" | "graph" | "bufferWords"> {
  readonly memory: MemoryPlan;
  readonly parts: TrainingParts;
  /** N. */
  readonly tokens: number;
}

export interface BatchShape {
  readonly B: number;
  readonly T: number;
  /** How activations lie in memory. Default f32. */
  readonly precision?: Precision;
  /** Which forms products have. Default: one that suits every device. */
  readonly choice?: KernelChoice;
  /** Most bytes of logits at once; see `classify`. */
  readonly logitsBytes?: number | undefined;
  /** What the backward pass computes again instead of finding it in memory. Default 0: nothing. */
  readonly recompute?: RecomputeLevel;
}

/** `f16`: activations and copies of the matrices in f16; weights, moments, gradients of weights and all sums in f32. */
export type Precision = "f32" | "f16";

/** What the gradient is scaled by: in f32 it is divided by the batch's tokens, in f16 multiplied with the loss scale. */
function scaleBuffer(precision: Precision): string {
  return precision === "f16" ? "loss_scale" : "settings";
}

/** A micro-batch, forward and backward, with its memory plan. */
export function trainingGraph(model: ModelConfig, shape: BatchShape): TrainingGraph {
  const { layout, graph, bufferWords, toLosses } = hiddenGraph(model, shape), { steps } = graph;
  const forward = { start: 0, stop: steps.length };
  graph.withoutGradient(() => toLosses());
  const losses = { start: forward.stop, stop: steps.length };
  const { seed } = toLosses();
  const head = { start: losses.stop, stop: steps.length };
  const layers = steps.slice(forward.start, forward.stop);
  recomputing(graph, { level: shape.recompute ?? 0, forward: layers }, () => appendBackward(graph, seed));
  const backward = { start: head.stop, stop: steps.length };
  const parts = { forward, losses, head, backward };
  return { layout, graph, bufferWords, parts, tokens: shape.B * shape.T, memory: planMemory(graph) };
}

/**
 * Tokens to losses and to the gradient of the last hidden states.
 * @param look Sees each chunk of the logits before their gradient takes their place.
 */
export function lossGraph(model: ModelConfig, shape: BatchShape, look?: Look): LossGraph {
  const { toLosses, ...hidden } = hiddenGraph(model, shape);
  return { ...hidden, ...toLosses(look) };
}

/** Tokens to the last hidden states, and what goes on from there. */
function hiddenGraph(model: ModelConfig, { B, T, precision = "f32", logitsBytes, choice = ONE_FORM }: BatchShape) {
  const layout = parameterLayout(model), heads = headsOf(model), N = B * T;
  const rotaryShape = model.family === "llama" ? [model.contextLength, heads.D] : [1];
  const graph = new Graph({ differentiable: true, activations: precision, choice });
  const words = (buffer: TrainingBuffer, start = 0) => graph.bound(buffer, [N], { buffer, start, type: "u32" });
  const numbers = (buffer: string, shape: readonly number[]) =>
    graph.bound(buffer, shape, { buffer, start: 0, type: "f32" });
  const rotary = numbers("rotary", rotaryShape);

  const forward: Forward = {
    graph,
    model,
    ids: words("inputs"),
    positions: words("positions"),
    uses: {
      ids: { kind: "sorted", order: words("inputs", 2 * alignedWords(N)), stops: words("inputs", 3 * alignedWords(N)) },
      positions: { kind: "repeated", rowCount: T },
    },
    parameter: parameterTensors(graph, layout),
    rotary,
    attend: (qkv: Tensor) => attention(graph, qkv, { ...heads, B, T }),
  };
  const hidden = hiddenStates(forward), targets = words("inputs", alignedWords(N));
  const scale = numbers(scaleBuffer(precision), [1]), total = numbers("total", [1]);
  const bufferWords: LossGraph["bufferWords"] = {
    parameters: layout.words,
    gradients: layout.words,
    inputs: 4 * alignedWords(N),
    positions: N,
    rotary: rotary.count,
    f16_parameters: precision === "f16" ? f16Layout(layout).words : 1,
  };
  const toLosses = (look?: Look): Classified => {
    const weight = outputWeight(forward),
      classified = classify(graph, hidden, { weight, targets, scale, logitsBytes, look });
    addSum(graph, classified.losses, total);
    return classified;
  };
  return { layout, graph, bufferWords, toLosses };
}
