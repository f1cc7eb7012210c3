/**
 * The operations that models are made of: each appends its kernels to a graph and says how gradients pass back.
 *
 * N tokens of a micro-batch (B sequences × T positions), C width, F hidden width, V vocabulary, H query heads, G
 * key-value heads, D head size, P rows of a table. A new op is one function here: forward steps, then `derive` with the
 * backward ones. A rule that moves `dy` does so last (`gradient.ts`, rule 3).
 *
 * In a graph whose activations are f16, so is what an op makes, but for what must not lose digits or overflow: the
 * residual stream (embeddings, and whatever a residual is added to), which grows with every layer and is where f16
 * overflows first; logits and losses; statistics of rows. A gradient has the type of its tensor, that of a parameter f32.
 * @module
 */
import { add as addKernel } from "../../kernels/add.ts";
import { attention as attentionKernel } from "../../kernels/attention.ts";
import { attentionBackwardKeyValue } from "../../kernels/attention_backward_key_value.ts";
import { attentionBackwardQuery } from "../../kernels/attention_backward_query.ts";
import { attentionCached } from "../../kernels/attention_cached.ts";
import { cacheAppend } from "../../kernels/cache_append.ts";
import { columnSum } from "../../kernels/column_sum.ts";
import { copy } from "../../kernels/copy.ts";
import { crossEntropy as crossEntropyKernel } from "../../kernels/cross_entropy.ts";
import { embedding as embeddingKernel } from "../../kernels/embedding.ts";
import { embeddingBackward } from "../../kernels/embedding_backward.ts";
import { gelu as geluKernel } from "../../kernels/gelu.ts";
import { geluBackward } from "../../kernels/gelu_backward.ts";
import { layerNorm as layerNormKernel } from "../../kernels/layer_norm.ts";
import { layerNormBackward } from "../../kernels/layer_norm_backward.ts";
import { layerNormWeightsBackward } from "../../kernels/layer_norm_weights_backward.ts";
import { rmsNorm as rmsNormKernel } from "../../kernels/rms_norm.ts";
import { rmsNormBackward } from "../../kernels/rms_norm_backward.ts";
import { rmsNormWeightsBackward } from "../../kernels/rms_norm_weights_backward.ts";
import { rope as ropeKernel } from "../../kernels/rope.ts";
import { sum as sumKernel } from "../../kernels/sum.ts";
import { swiglu as swigluKernel } from "../../kernels/swiglu.ts";
import { swigluBackward } from "../../kernels/swiglu_backward.ts";
import { geluBackwardByProduct, geluByProduct, product, swigluBackwardByProduct, swigluByProduct } from "./products.ts";
import type { Graph, Tensor } from "./tensor.ts";

/** What is known of ids before they are there, so that a row's tokens need not be searched for. */
export type RowUses =
  /** (N) each, of the ids that are there: `segmentTokens`. */
  | { readonly kind: "sorted"; readonly order: Tensor; readonly stops: Tensor }
  /** They are 0 … rowCount − 1, again and again. */
  | { readonly kind: "repeated"; readonly rowCount: number };

export interface EmbeddingOptions {
  /** (N), u32. */
  readonly ids: Tensor;
  /** (P, C). */
  readonly table: Tensor;
  /** Needed where there is a backward pass. */
  readonly uses?: RowUses | undefined;
}

/** Rows of `table` by `ids`: (N, C). */
export function embedding(graph: Graph, { ids, table, uses }: EmbeddingOptions): Tensor {
  const [P, C] = matrix(table), N = ids.count;
  const y = graph.tensor(`rows of ${table.label}`, [N, C]);
  graph.run(embeddingKernel, { N, P, C }, { ids, table, y });
  graph.derive(y, (dy, gradients) => {
    gradients.add(table, (dtable, ACCUMULATE) => {
      if (uses === undefined) throw new Error(`Cannot derive the ${y.label}: nothing is known of '${ids.label}'`);
      if (uses.kind === "sorted") {
        const { order, stops } = uses;
        graph.run(embeddingBackward, { N, P, C, ACCUMULATE }, { ids, order, stops, dy, dtable });
      } else {
        // A row's tokens are a column: a sum over sequences.
        const { rowCount } = uses, shape = { N: N / rowCount, C: rowCount * C, ACCUMULATE };
        graph.run(columnSum, shape, { dy, sum: graph.rows(dtable, { first: 0, count: rowCount }) });
      }
    });
  });
  return y;
}

/** a + b. */
export function add(graph: Graph, a: Tensor, b: Tensor): Tensor {
  const y = graph.tensor(`${a.label} + ${b.label}`, a.shape);
  graph.run(addKernel, { COUNT: y.count }, { a, b, y });
  graph.derive(y, (dy, gradients) => {
    gradients.add(b, (db, ACCUMULATE) => graph.run(copy, { COUNT: y.count, ACCUMULATE }, { x: dy, y: db }));
    gradients.move(a, dy);
  });
  return y;
}

export interface NormOptions {
  readonly weight: Tensor;
  readonly epsilon: number;
}

/** Every row to mean 0 and variance 1, then weight and bias. */
export function layerNorm(graph: Graph, x: Tensor, options: NormOptions & { readonly bias: Tensor }): Tensor {
  const { weight: w, bias: b, epsilon: EPSILON } = options, [N, C] = matrix(x);
  const y = graph.tensor(`${w.label} of it`, x.shape, graph.activations);
  const mean = graph.tensor("mean", [N]), inverse = graph.tensor("inverse deviation", [N]);
  graph.run(layerNormKernel, { N, C, EPSILON }, { x, w, b, y, mean, inverse });
  graph.derive(y, (dy, gradients) => {
    gradients.add(w, (dw, ACCUMULATE) => {
      gradients.add(b, (db) => {
        graph.run(layerNormWeightsBackward, { N, C, ACCUMULATE }, { dy, x, mean, inverse, dw, db });
      });
    });
    gradients.add(x, (dx, ACCUMULATE) => {
      graph.run(layerNormBackward, { N, C, ACCUMULATE }, { dy, x, w, mean, inverse, dx });
    });
  });
  return y;
}

/** Every row to unit root mean square, then weight. */
export function rmsNorm(graph: Graph, x: Tensor, { weight: w, epsilon: EPSILON }: NormOptions): Tensor {
  const [N, C] = matrix(x);
  const y = graph.tensor(`${w.label} of it`, x.shape, graph.activations);
  const inverse = graph.tensor("inverse root mean square", [N]);
  graph.run(rmsNormKernel, { N, C, EPSILON }, { x, w, y, inverse });
  graph.derive(y, (dy, gradients) => {
    gradients.add(w, (dw, ACCUMULATE) => {
      graph.run(rmsNormWeightsBackward, { N, C, ACCUMULATE }, { dy, x, inverse, dw });
    });
    gradients.add(x, (dx, ACCUMULATE) => {
      graph.run(rmsNormBackward, { N, C, ACCUMULATE }, { dy, x, w, inverse, dx });
    });
  });
  return y;
}

export interface LinearOptions {
  /** (out, in). */
  readonly weight: Tensor;
  /** (out). */
  readonly bias?: Tensor | undefined;
  /** Added to the result, which takes over its storage if there is no backward pass. */
  readonly residual?: Tensor;
  /** Of the result; that of the residual, or else of activations, if absent. */
  readonly type?: "f32";
}

/** x (N, in) · weightᵀ + bias + residual: (N, out). */
export function linear(graph: Graph, x: Tensor, options: LinearOptions): Tensor {
  const { weight, bias, residual, type = residual?.type ?? graph.activations } = options;
  const [N] = matrix(x), [rows, columns] = matrix(weight);
  const overwritten = graph.differentiable ? undefined : residual, kept = graph.differentiable ? residual : undefined;
  const y = overwritten === undefined
    ? graph.tensor(`product with ${weight.label}`, [N, rows], type)
    : graph.inPlace(overwritten, `stream after ${weight.label}`);
  const factor = weight.f16 ?? weight, unused = weight;
  const forward = { M: N, N: rows, K: columns, TRANSPOSE_A: 0, TRANSPOSE_B: 1 };
  product(graph, { ...forward, ACCUMULATE: overwritten === undefined ? 0 : 1 }, {
    a: x,
    b: factor,
    bias,
    residual: kept,
    y,
    unused,
  });
  graph.derive(y, (dy, gradients) => {
    gradients.add(weight, (dw, ACCUMULATE) => {
      const shape = { M: rows, N: columns, K: N, TRANSPOSE_A: 1, TRANSPOSE_B: 0, ACCUMULATE };
      product(graph, shape, { a: dy, b: x, y: dw, unused });
    });
    if (bias !== undefined) {
      gradients.add(bias, (sum, ACCUMULATE) => graph.run(columnSum, { N, C: rows, ACCUMULATE }, { dy, sum }));
    }
    gradients.add(x, (dx, ACCUMULATE) => {
      const shape = { M: N, N: columns, K: rows, TRANSPOSE_A: 0, TRANSPOSE_B: 0, ACCUMULATE };
      product(graph, shape, { a: dy, b: factor, y: dx, unused });
    });
    if (residual !== undefined) gradients.move(residual, dy);
  });
  return y;
}

/** GELU in its tanh form. */
export function gelu(graph: Graph, x: Tensor): Tensor {
  const COUNT = x.count, y = graph.tensor(`gelu of ${x.label}`, x.shape, x.type);
  if (!geluByProduct(graph, { x, y })) graph.run(geluKernel, { COUNT }, { x, y });
  graph.derive(y, (dy, gradients) => {
    gradients.add(x, (dx, ACCUMULATE) => {
      if (ACCUMULATE === 0 && geluBackwardByProduct(graph, { dy, x, dx })) return;
      graph.run(geluBackward, { COUNT, ACCUMULATE }, { dy, x, dx });
    });
  });
  return y;
}

/** silu(gate) · up of packed rows x (N, 2F): (N, F). */
export function swiglu(graph: Graph, x: Tensor): Tensor {
  const [N, packed] = matrix(x), F = packed / 2, y = graph.tensor(`swiglu of ${x.label}`, [N, F], x.type);
  if (!swigluByProduct(graph, { x, y })) graph.run(swigluKernel, { N, F }, { x, y });
  graph.derive(y, (dy, gradients) => {
    gradients.add(x, (dx, ACCUMULATE) => {
      if (ACCUMULATE === 0 && swigluBackwardByProduct(graph, { dy, x, dx })) return;
      graph.run(swigluBackward, { N, F, ACCUMULATE }, { dy, x, dx });
    });
  });
  return y;
}

/** Sizes of packed query, key and value rows. */
export interface Heads {
  readonly H: number;
  readonly G: number;
  readonly D: number;
}

export interface RopeOptions extends Heads {
  readonly positions: Tensor;
  /** (P, D): cosines, then sines, of the D/2 angles of a position. */
  readonly table: Tensor;
}

/** Rotates the queries and keys of packed rows by their positions; values pass. */
export function rope(graph: Graph, x: Tensor, { H, G, D, positions, table }: RopeOptions): Tensor {
  const [N, ROW] = matrix(x), [P] = matrix(table), shape = { N, ROTATED_HEADS: H + G, ROW, D, P };
  const y = graph.tensor(`rotated ${x.label}`, x.shape, x.type);
  graph.run(ropeKernel, { ...shape, INVERSE: 0, ACCUMULATE: 0 }, { x, positions, table, y });
  graph.derive(y, (dy, gradients) => {
    gradients.add(x, (dx, ACCUMULATE) => {
      graph.run(ropeKernel, { ...shape, INVERSE: 1, ACCUMULATE }, { x: dy, positions, table, y: dx });
    });
  });
  return y;
}

/** Causal attention inside each of B sequences of T packed rows: (B·T, H·D). */
export function attention(graph: Graph, qkv: Tensor, { B, T, ...heads }: Heads & { B: number; T: number }): Tensor {
  const { H, G, D } = heads, shape = { B, T, H, G, D };
  const y = graph.tensor("attended", [B * T, H * D], qkv.type);
  const lse = graph.tensor("log-sum-exp", [B, H, T]);
  graph.run(attentionKernel, shape, { qkv, y, lse });
  graph.derive(y, (dy, gradients) => {
    const dot = graph.tensor("dy · y", [B, H, T]);
    gradients.addWhole(qkv, (dqkv) => {
      graph.run(attentionBackwardQuery, shape, { qkv, dy, y, lse, dot, dqkv });
      graph.run(attentionBackwardKeyValue, shape, { qkv, dy, lse, dot, dqkv });
    });
  });
  return y;
}

export interface CachedAttentionOptions extends Heads {
  readonly positions: Tensor;
  /** (P, G·D), as are the values. */
  readonly keys: Tensor;
  readonly values: Tensor;
}

/** Attention of N new rows of one sequence to its cache, which gets their keys and values first. No gradient. */
export function cachedAttention(graph: Graph, qkv: Tensor, options: CachedAttentionOptions): Tensor {
  const { H, G, D, positions, keys, values } = options, [N] = matrix(qkv), [P] = matrix(keys);
  const y = graph.tensor("attended", [N, H * D]);
  graph.run(cacheAppend, { N, G, H, D, P }, { qkv, positions, keys, values });
  graph.run(attentionCached, { N, H, G, D, P }, { qkv, positions, keys, values, y });
  return y;
}

export interface CrossEntropyOptions {
  readonly targets: Tensor;
  /** (1): factor of the gradient. */
  readonly scale: Tensor;
  /** (N), written. */
  readonly losses: Tensor;
}

/**
 * Losses (N) of logits (N, V). In a differentiable graph the logits become their own gradient, times `scale`: the seed
 * of a backward pass.
 */
export function crossEntropy(graph: Graph, logits: Tensor, { targets, scale, losses }: CrossEntropyOptions): Tensor {
  const [N, V] = matrix(logits), GRADIENT = graph.differentiable ? 1 : 0;
  const dlogits = graph.differentiable ? graph.inPlace(logits, "gradient of logits") : logits;
  graph.run(crossEntropyKernel, { N, V, GRADIENT }, { logits: dlogits, targets, scale, losses });
  return dlogits;
}

/** Adds the sum of x to `total` (1). No gradient: it is for measuring. */
export function addSum(graph: Graph, x: Tensor, total: Tensor): void {
  graph.run(sumKernel, { COUNT: x.count, ACCUMULATE: 1 }, { x, total });
}

function matrix({ label, shape }: Tensor): readonly [number, number] {
  const [rows, columns] = shape;
  if (shape.length === 2 && rows !== undefined && columns !== undefined) return [rows, columns];
  throw new Error(`Cannot use '${label}' as a matrix: its shape is (${shape.join(", ")})`);
}
