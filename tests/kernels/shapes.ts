/**
 * Example shapes of every kernel, by name: for tests that go through all of them.
 * @module
 */
import type { Shape } from "../../kernels/kernel.ts";

/** Two shapes or more for each kernel; together they have every switch on and off, and every variant fits one. */
export const SHAPES: Readonly<Record<string, readonly Shape[]>> = {
  adamw: [{ COUNT: 1, DECAYED: 0 }, { COUNT: 1000, DECAYED: 700 }],
  add: [{ COUNT: 1 }, { COUNT: 1000 }],
  attention: [{ B: 1, T: 1, H: 1, G: 1, D: 2 }, { B: 2, T: 65, H: 4, G: 2, D: 64 }],
  attention_backward_key_value: [{ B: 1, T: 1, H: 1, G: 1, D: 2 }, { B: 2, T: 65, H: 4, G: 2, D: 64 }],
  attention_backward_query: [{ B: 1, T: 1, H: 1, G: 1, D: 2 }, { B: 2, T: 65, H: 4, G: 2, D: 64 }],
  attention_cached: [{ N: 1, H: 1, G: 1, D: 2, P: 1 }, { N: 3, H: 4, G: 2, D: 64, P: 100 }],
  cache_append: [{ N: 1, H: 1, G: 1, D: 2, P: 1 }, { N: 3, H: 4, G: 2, D: 64, P: 100 }],
  column_sum: [{ N: 1, C: 1, ACCUMULATE: 0 }, { N: 100, C: 68, ACCUMULATE: 1 }],
  copy: [{ COUNT: 1, ACCUMULATE: 0 }, { COUNT: 1000, ACCUMULATE: 1 }],
  cross_entropy: [{ N: 1, V: 2, GRADIENT: 0 }, { N: 7, V: 1000, GRADIENT: 1 }],
  delta: [{ COUNT: 1, DECAY: 1 }, { COUNT: 1000, DECAY: 0.95 }],
  embedding: [{ N: 1, P: 1, C: 1 }, { N: 7, P: 100, C: 68 }],
  embedding_backward: [{ N: 1, P: 1, C: 1, ACCUMULATE: 0 }, { N: 7, P: 100, C: 68, ACCUMULATE: 1 }],
  fill: [{ COUNT: 1 }, { COUNT: 1000 }],
  gelu: [{ COUNT: 1 }, { COUNT: 1000 }],
  gelu_backward: [{ COUNT: 1, ACCUMULATE: 0 }, { COUNT: 1000, ACCUMULATE: 1 }],
  layer_norm: [{ N: 1, C: 1, EPSILON: 1e-5 }, { N: 7, C: 68, EPSILON: 1e-6 }],
  layer_norm_backward: [{ N: 1, C: 1, ACCUMULATE: 0 }, { N: 7, C: 68, ACCUMULATE: 1 }],
  layer_norm_weights_backward: [{ N: 1, C: 1, ACCUMULATE: 0 }, { N: 7, C: 68, ACCUMULATE: 1 }],
  loss_scale: [{ GROWTH_STEPS: 1 }, { GROWTH_STEPS: 2000 }],
  matmul: [
    { M: 1, N: 1, K: 1, TRANSPOSE_A: 0, TRANSPOSE_B: 1, BIAS: 1, RESIDUAL: 1, ACCUMULATE: 0 },
    { M: 70, N: 131, K: 45, TRANSPOSE_A: 1, TRANSPOSE_B: 0, BIAS: 0, RESIDUAL: 0, ACCUMULATE: 1 },
    { M: 72, N: 132, K: 44, TRANSPOSE_A: 1, TRANSPOSE_B: 1, BIAS: 1, RESIDUAL: 0, ACCUMULATE: 0 },
  ],
  matmul_gelu: [{ M: 1, N: 1, K: 1, BIAS: 1 }, { M: 70, N: 131, K: 45, BIAS: 0 }, { M: 70, N: 132, K: 44, BIAS: 1 }],
  matmul_gelu_backward: [{ M: 1, N: 1, K: 1 }, { M: 70, N: 131, K: 45 }, { M: 70, N: 132, K: 44 }],
  matmul_partial: [
    { M: 1, N: 1, K: 1, TRANSPOSE_A: 0, TRANSPOSE_B: 1, SPLIT: 2 },
    { M: 70, N: 131, K: 45, TRANSPOSE_A: 1, TRANSPOSE_B: 0, SPLIT: 1 },
    { M: 70, N: 132, K: 44, TRANSPOSE_A: 0, TRANSPOSE_B: 1, SPLIT: 2 },
  ],
  matmul_rows: [
    { M: 1, N: 1, K: 1, TRANSPOSE_A: 0, TRANSPOSE_B: 1, BIAS: 1, RESIDUAL: 1, ACCUMULATE: 0 },
    { M: 4, N: 131, K: 45, TRANSPOSE_A: 0, TRANSPOSE_B: 1, BIAS: 0, RESIDUAL: 0, ACCUMULATE: 1 },
    { M: 4, N: 132, K: 44, TRANSPOSE_A: 0, TRANSPOSE_B: 1, BIAS: 0, RESIDUAL: 0, ACCUMULATE: 1 },
  ],
  matmul_sum: [
    { M: 1, N: 1, SPLIT: 1, BIAS: 1, RESIDUAL: 1, ACCUMULATE: 0 },
    { M: 70, N: 131, SPLIT: 3, BIAS: 0, RESIDUAL: 0, ACCUMULATE: 1 },
    { M: 70, N: 132, SPLIT: 3, BIAS: 1, RESIDUAL: 1, ACCUMULATE: 0 },
  ],
  matmul_swiglu: [{ M: 1, F: 1, K: 1 }, { M: 70, F: 131, K: 45 }, { M: 70, F: 132, K: 44 }],
  matmul_swiglu_backward: [{ M: 1, F: 1, K: 1 }, { M: 70, F: 131, K: 45 }, { M: 70, F: 132, K: 44 }],
  non_finite: [{ COUNT: 1, TENSORS: 1 }, { COUNT: 1000, TENSORS: 7 }],
  norm_final: [{ BLOCKS: 1 }, { BLOCKS: 1000 }],
  norm_squared_partial: [{ COUNT: 1, BLOCKS: 1 }, { COUNT: 1000, BLOCKS: 7 }],
  pair_norms: [{ COUNT: 1, BLOCKS: 1 }, { COUNT: 1000, BLOCKS: 7 }],
  peak_fma: [{ GROUPS: 1, ROUNDS: 1 }, { GROUPS: 3, ROUNDS: 100 }],
  quantise_int8: [{ COUNT: 4, BLOCK: 4 }, { COUNT: 1024, BLOCK: 256 }],
  reduction_check: [{ LANES: 1, GROUPS: 1 }, { LANES: 64, GROUPS: 3 }],
  rms_norm: [{ N: 1, C: 1, EPSILON: 1e-5 }, { N: 7, C: 68, EPSILON: 1e-6 }],
  rms_norm_backward: [{ N: 1, C: 1, ACCUMULATE: 0 }, { N: 7, C: 68, ACCUMULATE: 1 }],
  rms_norm_weights_backward: [{ N: 1, C: 1, ACCUMULATE: 0 }, { N: 7, C: 68, ACCUMULATE: 1 }],
  rope: [
    { N: 1, ROTATED_HEADS: 1, ROW: 2, D: 2, P: 1, INVERSE: 0, ACCUMULATE: 1 },
    { N: 7, ROTATED_HEADS: 6, ROW: 8 * 64, D: 64, P: 100, INVERSE: 1, ACCUMULATE: 0 },
  ],
  sketch: [{ COUNT: 1, BLOCKS: 1 }, { COUNT: 5000, BLOCKS: 7 }],
  sparse_add: [{ COUNT: 1, KEPT: 1 }, { COUNT: 5000, KEPT: 64 }],
  sum: [{ COUNT: 1, ACCUMULATE: 0 }, { COUNT: 1000, ACCUMULATE: 1 }],
  swiglu: [{ N: 1, F: 1 }, { N: 7, F: 68 }],
  swiglu_backward: [{ N: 1, F: 1, ACCUMULATE: 0 }, { N: 7, F: 68, ACCUMULATE: 1 }],
  top_k: [{ COUNT: 1, KEPT: 1 }, { COUNT: 5000, KEPT: 64 }],
};
