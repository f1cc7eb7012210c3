/**
 * What every model family is built from: parameters by name, token ids, positions, and a way to attend that the caller
 * gives (inside a batch of sequences, or to a cache). A family is one file beside this one and one line in `forward.ts`.
 * @module
 */
import type { Heads } from "../graph/ops.ts";
import type { Graph, Tensor } from "../graph/tensor.ts";
import { headSize, type ModelConfig } from "./config.ts";
import { findParameter, type ParameterLayout } from "./parameters.ts";

/** What a family's forward pass is made from. */
export interface Forward {
  readonly graph: Graph;
  readonly model: ModelConfig;
  /** (N), u32. */
  readonly ids: Tensor;
  /** (N), u32: the place of each token in its sequence. */
  readonly positions: Tensor;
  /** A parameter by its name in the layout; the same tensor for the same name. */
  parameter(name: string): Tensor;
  /** Cosines and sines, (T, D); see `rotaryTable`. */
  rotary(): Tensor;
  /** Attention over packed rows (N, (H+2G)·D) of one layer: (N, H·D). */
  attend(qkv: Tensor, layer: number): Tensor;
}

/** How many query and key-value heads there are, and their size. */
export function headsOf(model: ModelConfig): Heads {
  return { H: model.headCount, G: model.keyValueHeadCount, D: headSize(model) };
}

/** Looks parameters up in the arena's layout, each once. */
export function parameterTensors(graph: Graph, layout: ParameterLayout): (name: string) => Tensor {
  const known = new Map<string, Tensor>();
  return (name) => {
    let tensor = known.get(name);
    if (tensor === undefined) {
      const { shape, start } = findParameter(layout, name);
      known.set(name, tensor = graph.parameter(name, shape, start));
    }
    return tensor;
  };
}

/**
 * Rotary angles of all positions: for each, the cosines of D/2 angles, then their sines. Computed in f64, because a
 * GPU's own sine is good for eleven bits.
 *
 * Su et al. 2021, arXiv 2104.09864, eq. 15, with the pairs (d, d + D/2) of transformers' Llama.
 */
export function rotaryTable(model: ModelConfig): Float32Array<ArrayBuffer> {
  const D = headSize(model), half = D / 2;
  const table = new Float32Array(model.contextLength * D);
  for (let position = 0; position < model.contextLength; position++) {
    for (let d = 0; d < half; d++) {
      const angle = position * model.ropeTheta ** (-2 * d / D);
      table[position * D + d] = Math.cos(angle);
      table[position * D + half + d] = Math.sin(angle);
    }
  }
  return table;
}
