/**
 * What every model family is built from: parameters by name, token ids, positions, and a way to attend that the caller
 * gives (inside a batch of sequences, or to a cache). A family is one file beside this one and one line in `forward.ts`.
 * @module
 */
import type { Heads, RowUses } from "../graph/ops.ts";
import type { Graph, Tensor } from "../graph/tensor.ts";
import { headSize, type ModelConfig } from "./config.ts";
import { f16Layout } from "./f16_parameters.ts";
import { findParameter, type ParameterLayout } from "./parameters.ts";

/** What a family's forward pass is made from. */
export interface Forward {
  readonly graph: Graph;
  readonly model: ModelConfig;
  /** (N), u32. */
  readonly ids: Tensor;
  /** (N), u32: the place of each token in its sequence. */
  readonly positions: Tensor;
  /** Where there will be a backward pass. */
  readonly uses?: { readonly ids: RowUses; readonly positions: RowUses };
  /** A parameter by its name in the layout; the same tensor for the same name. */
  parameter(name: string): Tensor;
  /** Cosines and sines, (contextLength, D); see `ropeTable` of the `rope` kernel. */
  readonly rotary: Tensor;
  /** Attention over packed rows (N, (H+2G)·D) of one layer: (N, H·D). */
  attend(qkv: Tensor, layer: number): Tensor;
}

/** How many query and key-value heads there are, and their size. */
export function headsOf(model: ModelConfig): Heads {
  return { H: model.headCount, G: model.keyValueHeadCount, D: headSize(model) };
}

/** Looks parameters up in the arena's layout, each once; with copies in f16 where activations are. */
export function parameterTensors(graph: Graph, layout: ParameterLayout): (name: string) => Tensor {
  const f16 = graph.activations === "f16" ? f16Layout(layout).starts : undefined;
  const known = new Map<string, Tensor>();
  return (name) => {
    let tensor = known.get(name);
    if (tensor === undefined) {
      const { shape, start } = findParameter(layout, name);
      known.set(name, tensor = graph.parameter(name, shape, start, f16?.get(name)));
    }
    return tensor;
  };
}
