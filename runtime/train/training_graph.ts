/**
 * One micro-batch as a graph: forward, losses, backward into the gradient arena. No device, no optimizer.
 *
 * The forward part alone serves evaluation. N = B·T tokens: B sequences of T positions.
 * @module
 */
import { appendBackward } from "../graph/gradient.ts";
import { type MemoryPlan, planMemory } from "../graph/memory.ts";
import { addSum, attention, crossEntropy } from "../graph/ops.ts";
import { Graph } from "../graph/tensor.ts";
import type { ModelConfig } from "../model/config.ts";
import { headsOf, parameterTensors } from "../model/family.ts";
import { hiddenStates, logitsOf } from "../model/forward.ts";
import { type ParameterLayout, parameterLayout } from "../model/parameters.ts";
import { alignedWords } from "./windows.ts";

export interface TrainingGraph {
  readonly layout: ParameterLayout;
  readonly graph: Graph;
  readonly memory: MemoryPlan;
  /** So many of the graph's steps are the forward part, the sum of the losses included. */
  readonly forwardStepCount: number;
  /** Words of the named buffers that the graph is bound to. */
  readonly bufferWords: Readonly<Record<TrainingBuffer, number>>;
}

/**
 * `inputs`: ids, then targets. `positions`: 0 … T−1 for each sequence. `scale`: factor of the gradient, at word 0.
 * `total`: sum of the losses, added to by every micro-batch.
 */
export type TrainingBuffer = "parameters" | "gradients" | "inputs" | "positions" | "rotary" | "settings" | "total";

/** Words of the buffer of what the host sets at each step; see `trainer.ts`. */
export const SETTINGS_WORDS = 3 * 64;

/** Builds the graph of a micro-batch of B sequences of T tokens. */
export function trainingGraph(model: ModelConfig, { B, T }: { readonly B: number; readonly T: number }): TrainingGraph {
  const layout = parameterLayout(model), N = B * T, { D } = headsOf(model);
  const graph = new Graph({ differentiable: true });
  const words = (label: TrainingBuffer, start = 0) => graph.bound(label, [N], { buffer: label, start, type: "u32" });
  const numbers = (label: TrainingBuffer, shape: number[]) =>
    graph.bound(label, shape, { buffer: label, start: 0, type: "f32" });
  const rotary = numbers("rotary", [model.contextLength, D]);

  const forward = {
    graph,
    model,
    ids: words("inputs"),
    positions: words("positions"),
    parameter: parameterTensors(graph, layout),
    rotary: () => rotary,
    attend: (qkv: Parameters<typeof attention>[1]) => attention(graph, qkv, { ...headsOf(model), B, T }),
  };
  const logits = logitsOf(forward, hiddenStates(forward));
  const targets = words("inputs", alignedWords(N)), scale = numbers("settings", [1]);
  const { losses, dlogits } = crossEntropy(graph, logits, { targets, scale });
  addSum(graph, losses, numbers("total", [1]));
  const forwardStepCount = graph.steps.length;
  appendBackward(graph, new Map([[logits, dlogits]]));

  return {
    layout,
    graph,
    memory: planMemory(graph),
    forwardStepCount,
    bufferWords: {
      parameters: layout.words,
      gradients: layout.words,
      inputs: 2 * alignedWords(N),
      positions: N,
      rotary: model.family === "llama" ? model.contextLength * D : 1,
      settings: SETTINGS_WORDS,
      total: 1,
    },
  };
}
