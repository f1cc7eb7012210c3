/**
 * GPT-2: learned positions, LayerNorm before each part, GELU, output tied to the token embedding.
 *
 * Radford et al. 2019, "Language Models are Unsupervised Multitask Learners", §2.3.
 * @module
 */
import { add, embedding, gelu, layerNorm, linear } from "../graph/ops.ts";
import type { Tensor } from "../graph/tensor.ts";
import type { Forward } from "./family.ts";

/** The normed residual stream after the last layer: (N, C). */
export function gpt2(forward: Forward): Tensor {
  const { graph, model, parameter, ids, positions, uses } = forward;
  let stream = add(
    graph,
    embedding(graph, { ids, table: parameter("token_embedding"), uses: uses?.ids }),
    embedding(graph, { ids: positions, table: parameter("position_embedding"), uses: uses?.positions }),
  );
  for (let layer = 0; layer < model.layerCount; layer++) {
    stream = gpt2Layer(forward, graph.checkpoint(stream), layer);
  }
  return norm(forward, graph.checkpoint(stream), "final_norm");
}

function gpt2Layer(forward: Forward, stream: Tensor, layer: number): Tensor {
  const { graph, parameter, attend } = forward, name = `layer.${layer}`;
  const matrix = (part: string) => ({
    weight: parameter(`${name}.${part}.weight`),
    bias: parameter(`${name}.${part}.bias`),
  });

  const qkv = linear(graph, norm(forward, stream, `${name}.attention_norm`), matrix("attention.qkv"));
  const attended = attend(qkv, layer);
  const middle = linear(graph, attended, { ...matrix("attention.out"), residual: stream });

  const up = linear(graph, norm(forward, middle, `${name}.mlp_norm`), matrix("mlp.up"));
  return linear(graph, gelu(graph, up), { ...matrix("mlp.down"), residual: middle });
}

function norm({ graph, model, parameter }: Forward, x: Tensor, name: string): Tensor {
  const weight = parameter(`${name}.weight`), bias = parameter(`${name}.bias`);
  return layerNorm(graph, x, { weight, bias, epsilon: model.normEpsilon });
}
