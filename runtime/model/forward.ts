/**
 * The forward pass of a model, as steps of a graph: what training, evaluation and generation share.
 *
 * It only chooses the family; `family.ts` says what a family is made from. N tokens, C width, V vocabulary.
 * @module
 */
import { linear } from "../graph/ops.ts";
import type { Tensor } from "../graph/tensor.ts";
import type { Forward } from "./family.ts";
import { gpt2 } from "./gpt2.ts";
import { llama } from "./llama.ts";

/** The normed residual stream after the last layer: (N, C). */
export function hiddenStates(forward: Forward): Tensor {
  return forward.model.family === "gpt2" ? gpt2(forward) : llama(forward);
}

/** Hidden states (rows, C) to logits (rows, V), which are f32 always. */
export function logitsOf(forward: Forward, hidden: Tensor): Tensor {
  return linear(forward.graph, hidden, { weight: outputWeight(forward), type: "f32" });
}

/** The matrix (V, C) that makes logits. */
export function outputWeight({ model, parameter }: Forward): Tensor {
  return parameter(model.tied ? "token_embedding" : "head");
}
