/**
 * All kernels, by name: for tests and tools that go through every one. A graph imports those that it uses.
 * @module
 */
import { adamw } from "./adamw.ts";
import { add } from "./add.ts";
import { attention } from "./attention.ts";
import { attentionBackwardKeyValue } from "./attention_backward_key_value.ts";
import { attentionBackwardQuery } from "./attention_backward_query.ts";
import { attentionCached } from "./attention_cached.ts";
import { cacheAppend } from "./cache_append.ts";
import { columnSum } from "./column_sum.ts";
import { copy } from "./copy.ts";
import { crossEntropy } from "./cross_entropy.ts";
import { delta } from "./delta.ts";
import { embedding } from "./embedding.ts";
import { embeddingBackward } from "./embedding_backward.ts";
import { fill } from "./fill.ts";
import { gelu } from "./gelu.ts";
import { geluBackward } from "./gelu_backward.ts";
import { layerNorm } from "./layer_norm.ts";
import { layerNormBackward } from "./layer_norm_backward.ts";
import { layerNormWeightsBackward } from "./layer_norm_weights_backward.ts";
import { lossScale } from "./loss_scale.ts";
import { matmul, matmulForms } from "./matmul.ts";
import { matmulGelu, matmulGeluForms } from "./matmul_gelu.ts";
import { matmulGeluBackward, matmulGeluBackwardForms } from "./matmul_gelu_backward.ts";
import { matmulPartial, matmulPartialForms } from "./matmul_partial.ts";
import { matmulRows } from "./matmul_rows.ts";
import { matmulSum } from "./matmul_sum.ts";
import { matmulSwiglu, matmulSwigluForms } from "./matmul_swiglu.ts";
import { matmulSwigluBackward, matmulSwigluBackwardForms } from "./matmul_swiglu_backward.ts";
import { nonFinite } from "./non_finite.ts";
import { normFinal } from "./norm_final.ts";
import { normSquaredPartial } from "./norm_squared_partial.ts";
import { pairNorms } from "./pair_norms.ts";
import { peakFma } from "./peak_fma.ts";
import { quantiseInt8 } from "./quantise_int8.ts";
import { reductionCheck } from "./reduction_check.ts";
import { rmsNorm } from "./rms_norm.ts";
import { rmsNormBackward } from "./rms_norm_backward.ts";
import { rmsNormWeightsBackward } from "./rms_norm_weights_backward.ts";
import { rope } from "./rope.ts";
import { sketch } from "./sketch.ts";
import { sparseAdd } from "./sparse_add.ts";
import { sum } from "./sum.ts";
import { swiglu } from "./swiglu.ts";
import { swigluBackward } from "./swiglu_backward.ts";
import { topK } from "./top_k.ts";
import type { Kernel } from "./kernel.ts";

/** One of each contract. */
export const kernels: readonly Kernel[] = [
  adamw,
  add,
  attention,
  attentionBackwardKeyValue,
  attentionBackwardQuery,
  attentionCached,
  cacheAppend,
  columnSum,
  copy,
  crossEntropy,
  delta,
  embedding,
  embeddingBackward,
  fill,
  gelu,
  geluBackward,
  layerNorm,
  layerNormBackward,
  layerNormWeightsBackward,
  lossScale,
  matmul,
  matmulGelu,
  matmulGeluBackward,
  matmulPartial,
  matmulRows,
  matmulSum,
  matmulSwiglu,
  matmulSwigluBackward,
  nonFinite,
  normFinal,
  normSquaredPartial,
  pairNorms,
  peakFma,
  quantiseInt8,
  reductionCheck,
  rmsNorm,
  rmsNormBackward,
  rmsNormWeightsBackward,
  rope,
  sketch,
  sparseAdd,
  sum,
  swiglu,
  swigluBackward,
  topK,
];

/** The same contracts in other tilings (`tiling.ts`). */
export const forms: readonly Kernel[] = [
  matmulForms,
  matmulGeluForms,
  matmulGeluBackwardForms,
  matmulPartialForms,
  matmulSwigluForms,
  matmulSwigluBackwardForms,
]
  .flatMap((forms) => [...forms.values()] as readonly Kernel[])
  .filter((form) => !kernels.includes(form));
