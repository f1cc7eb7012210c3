/**
 * Llama: rotary positions, RMSNorm before each part, SwiGLU, grouped-query attention, no biases.
 *
 * Touvron et al. 2023, arXiv 2302.13971, §2.2; grouped queries as in Llama 2, arXiv 2307.09288, §2.2.
 * @module
 */
import { embedding, linear, rmsNorm, rope, swiglu } from "../graph/ops.ts";
import type { Tensor } from "../graph/tensor.ts";
import { type Forward, headsOf } from "./family.ts";

/** The normed residual stream after the last layer: (N, C). */
export function llama(forward: Forward): Tensor {
  const { graph, model, parameter, ids, uses } = forward;
  let stream = embedding(graph, { ids, table: parameter("token_embedding"), uses: uses?.ids });
  for (let layer = 0; layer < model.layerCount; layer++) {
    stream = llamaLayer(forward, graph.checkpoint(stream), layer);
  }
  return norm(forward, graph.checkpoint(stream), "final_norm");
}

function llamaLayer(forward: Forward, stream: Tensor, layer: number): Tensor {
  const { graph, model, parameter, positions, rotary, attend } = forward, name = `layer.${layer}`;
  const matrix = (part: string) => ({ weight: parameter(`${name}.${part}.weight`) });

  const qkv = linear(graph, norm(forward, stream, `${name}.attention_norm`), matrix("attention.qkv"));
  const rotated = rope(graph, qkv, { ...headsOf(model), positions, table: rotary });
  const attended = attend(rotated, layer);
  const middle = linear(graph, attended, { ...matrix("attention.out"), residual: stream });

  const gateUp = linear(graph, norm(forward, middle, `${name}.mlp_norm`), matrix("mlp.gate_up"));
  return linear(graph, swiglu(graph, gateUp), { ...matrix("mlp.down"), residual: middle });
}

function norm({ graph, model, parameter }: Forward, x: Tensor, name: string): Tensor {
  return rmsNorm(graph, x, { weight: parameter(`${name}.weight`), epsilon: model.normEpsilon });
}
