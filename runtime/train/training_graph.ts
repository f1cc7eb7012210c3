/**
 * One micro-batch as a graph: forward, losses, backward into the gradient arena. No device, no optimizer.
 *
 * The forward part alone serves evaluation. N = B·T tokens: B sequences of T positions.
 * @module
 */
import { type KernelChoice, ONE_FORM } from "../../kernels/product_choice.ts";
import { appendBackward } from "../graph/gradient.ts";
import { type MemoryPlan, planMemory } from "../graph/memory.ts";
import { addSum, attention, crossEntropy } from "../graph/ops.ts";
import { alignedWords } from "../graph/plan.ts";
import { Graph, type Tensor } from "../graph/tensor.ts";
import type { ModelConfig } from "../model/config.ts";
import { f16Layout } from "../model/f16_parameters.ts";
import { headsOf, parameterTensors } from "../model/family.ts";
import { hiddenStates, logitsOf } from "../model/forward.ts";
import { type ParameterLayout, parameterLayout } from "../model/parameters.ts";

/**
 * `inputs`: ids, then targets. `positions`: 0 … T−1 for each sequence. `rotary`: one word where it is not used.
 * `f16_parameters`: copies in f16, made before the graph runs; one word in f32.
 */
export type TrainingBuffer = "parameters" | "gradients" | "inputs" | "positions" | "rotary" | "f16_parameters";

export interface ForwardGraph {
  readonly layout: ParameterLayout;
  readonly graph: Graph;
  /** (N). */
  readonly losses: Tensor;
  /** The logits and their gradient: where the backward pass begins. */
  readonly seed: ReadonlyMap<Tensor, Tensor>;
  /**
   * Words of the named buffers that the graph is bound to; besides them `settings` (`loss_scale` in f16), whose first
   * word scales the gradient, and `total`, to which the losses are added.
   */
  readonly bufferWords: Readonly<Record<TrainingBuffer, number>>;
}

export interface TrainingGraph extends ForwardGraph {
  readonly memory: MemoryPlan;
  /** So many of the graph's steps are the forward part, the sum of the losses included. */
  readonly forwardStepCount: number;
}

export interface BatchShape {
  readonly B: number;
  readonly T: number;
  /** How activations lie in memory. Default f32. */
  readonly precision?: Precision;
  /** Which forms products have. Default: one that suits every device. */
  readonly choice?: KernelChoice;
}

/** `f16`: activations and copies of the matrices in f16; weights, moments, gradients of weights and all sums in f32. */
export type Precision = "f32" | "f16";

/** What the gradient is scaled by: in f32 it is divided by the batch's tokens, in f16 multiplied with the loss scale. */
function scaleBuffer(precision: Precision): string {
  return precision === "f16" ? "loss_scale" : "settings";
}

/** A micro-batch, forward and backward, with its memory plan. */
export function trainingGraph(model: ModelConfig, shape: BatchShape): TrainingGraph {
  const forward = forwardGraph(model, shape);
  const forwardStepCount = forward.graph.steps.length;
  appendBackward(forward.graph, forward.seed);
  return { ...forward, forwardStepCount, memory: planMemory(forward.graph) };
}

/**
 * Tokens to losses, ready for a backward pass.
 * @param look Sees the logits before their gradient takes their place.
 */
export function forwardGraph(
  model: ModelConfig,
  { B, T, precision = "f32", choice = ONE_FORM }: BatchShape,
  look?: (graph: Graph, logits: Tensor) => void,
): ForwardGraph {
  const layout = parameterLayout(model), heads = headsOf(model), N = B * T;
  const rotaryShape = model.family === "llama" ? [model.contextLength, heads.D] : [1];
  const graph = new Graph({ differentiable: true, activations: precision, choice });
  const words = (buffer: TrainingBuffer, start = 0) => graph.bound(buffer, [N], { buffer, start, type: "u32" });
  const numbers = (buffer: string, shape: readonly number[]) =>
    graph.bound(buffer, shape, { buffer, start: 0, type: "f32" });
  const rotary = numbers("rotary", rotaryShape);

  const forward = {
    graph,
    model,
    ids: words("inputs"),
    positions: words("positions"),
    parameter: parameterTensors(graph, layout),
    rotary,
    attend: (qkv: Tensor) => attention(graph, qkv, { ...heads, B, T }),
  };
  const logits = logitsOf(forward, hiddenStates(forward));
  look?.(graph, logits);
  const targets = words("inputs", alignedWords(N)), scale = numbers(scaleBuffer(precision), [1]);
  const { losses, dlogits } = crossEntropy(graph, logits, { targets, scale });
  addSum(graph, losses, numbers("total", [1]));

  return {
    layout,
    graph,
    losses,
    seed: new Map([[logits, dlogits]]),
    bufferWords: {
      parameters: layout.words,
      gradients: layout.words,
      inputs: 2 * alignedWords(N),
      positions: N,
      rotary: rotary.count,
      f16_parameters: precision === "f16" ? f16Layout(layout).words : 1,
    },
  };
}
