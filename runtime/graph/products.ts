/**
 * Matrix products as steps of a graph, in the forms that the graph's choice has for them, and what they take over.
 *
 * It decides nothing: `KernelChoice` does. A product cut along K is two steps with a tensor between them, so that the
 * memory plan knows what the parts take. An activation is taken over by replacing the product right before it, which
 * therefore must be the graph's last step and have done nothing else: `false` says that it was not so, and that the
 * activation needs a step of its own.
 * @module
 */
import type { Kernel } from "../../kernels/kernel.ts";
import { matmulForms, type MatmulShape } from "../../kernels/matmul.ts";
import { matmulGeluForms } from "../../kernels/matmul_gelu.ts";
import { matmulGeluBackwardForms } from "../../kernels/matmul_gelu_backward.ts";
import {
  matmulGeluBackwardMatrixForms,
  matmulGeluMatrixForms,
  matmulMatrixForms,
  matmulSwigluBackwardMatrixForms,
} from "../../kernels/matmul_matrix.ts";
import { matmulPartialForms } from "../../kernels/matmul_partial.ts";
import { matmulSum } from "../../kernels/matmul_sum.ts";
import { matmulSwigluForms } from "../../kernels/matmul_swiglu.ts";
import { matmulSwigluBackwardForms } from "../../kernels/matmul_swiglu_backward.ts";
import { formOf } from "../../kernels/product_choice.ts";
import type { Graph, Tensor } from "./tensor.ts";

/** What `matmul` binds; `bias` and `residual` only where there are any. */
export interface ProductTensors {
  readonly a: Tensor;
  readonly b: Tensor;
  readonly bias?: Tensor | undefined;
  readonly residual?: Tensor | undefined;
  readonly y: Tensor;
  /** In f32, and in another buffer than y: of which a word is bound where nothing is read. */
  readonly unused: Tensor;
}

export type ProductShape = Omit<MatmulShape, "BIAS" | "RESIDUAL">;

/** Appends y = op(a)·op(b) + bias + residual, or with ACCUMULATE adds it to y. */
export function product(graph: Graph, shape: ProductShape, tensors: ProductTensors): void {
  const { a, b, y } = tensors, none = firstWord(tensors.unused), { bias = none, residual = none } = tensors;
  const f16 = [a, b].filter(({ type }) => type === "f16");
  const { form, split } = graph.choice.product({ ...shape, inF16: f16.length > 0, areF16: f16.length === 2 });
  const switches = { BIAS: bias === none ? 0 : 1, RESIDUAL: residual === none ? 0 : 1 };
  if (split === 1) return graph.run(formOf(form), { ...shape, ...switches }, { a, b, bias, residual, y });

  const { M, N, K, TRANSPOSE_A, TRANSPOSE_B, ACCUMULATE } = shape, SPLIT = split;
  const partial = graph.tensor(`parts of ${y.label}`, [SPLIT * M, N]);
  graph.run(matmulPartialForms.get(form)!, { M, N, K, TRANSPOSE_A, TRANSPOSE_B, SPLIT }, { a, b, partial });
  graph.run(matmulSum, { M, N, SPLIT, ...switches, ACCUMULATE }, { partial, bias, residual, y });
}

/** y = GELU(x), made by the linear layer that made x. */
export function geluByProduct(graph: Graph, { x, y }: { x: Tensor; y: Tensor }): boolean {
  const made = lastProduct(graph, { y: x, TRANSPOSE_B: 1 });
  if (made === undefined) return false;
  const { tiling, shape: { M, N, K, BIAS }, tensors: { a, b, bias } } = made;
  graph.takeBack();
  graph.run((matmulGeluForms.get(tiling) ?? matmulGeluMatrixForms.get(tiling))!, { M, N, K, BIAS }, {
    a,
    b,
    bias,
    pre: x,
    y,
  });
  return true;
}

/** dx = dy · GELU'(x), made by the product that made dy. */
export function geluBackwardByProduct(
  graph: Graph,
  { dy, x, dx }: { dy: Tensor; x: Tensor; dx: Tensor },
): boolean {
  const made = lastProduct(graph, { y: dy, TRANSPOSE_B: 0 });
  if (made === undefined) return false;
  const { tiling, shape: { M, N, K }, tensors: { a, b } } = made;
  graph.takeBack();
  graph.run((matmulGeluBackwardForms.get(tiling) ?? matmulGeluBackwardMatrixForms.get(tiling))!, { M, N, K }, {
    a,
    b,
    pre: x,
    y: dx,
  });
  return true;
}

/** y (N, F) = SwiGLU(x), made by the linear layer that made x. */
export function swigluByProduct(graph: Graph, { x, y }: { x: Tensor; y: Tensor }): boolean {
  const made = lastProduct(graph, { y: x, TRANSPOSE_B: 1 });
  if (made === undefined || made.shape.BIAS === 1) return false;
  const { tiling, shape: { M, N, K }, tensors: { a, b } } = made, form = matmulSwigluForms.get(tiling);
  if (form === undefined) return false; // matrix units make one sum of a place, not two
  graph.takeBack();
  graph.run(form, { M, F: N / 2, K }, { a, b, pre: x, y });
  return true;
}

/** dx = the gradients of gate and up from dy, that of SwiGLU(x), made by the product that made dy. */
export function swigluBackwardByProduct(
  graph: Graph,
  { dy, x, dx }: { dy: Tensor; x: Tensor; dx: Tensor },
): boolean {
  const made = lastProduct(graph, { y: dy, TRANSPOSE_B: 0 });
  if (made === undefined) return false;
  const { tiling, shape: { M, N, K }, tensors: { a, b } } = made;
  graph.takeBack();
  graph.run((matmulSwigluBackwardForms.get(tiling) ?? matmulSwigluBackwardMatrixForms.get(tiling))!, { M, F: N, K }, {
    a,
    b,
    pre: x,
    y: dx,
  });
  return true;
}

interface LastProduct {
  readonly tiling: string;
  readonly shape: MatmulShape;
  readonly tensors: Readonly<Record<"a" | "b" | "bias", Tensor>>;
}

const TILING_OF = new Map<Kernel, string>(
  [...matmulForms, ...matmulMatrixForms].map(([tiling, kernel]) => [kernel, tiling]),
);

/** The graph's last step, if its device fuses and the step did nothing but make `y` (with a bias) as one whole product. */
function lastProduct(
  graph: Graph,
  { y, TRANSPOSE_B }: { readonly y: Tensor; readonly TRANSPOSE_B: number },
): LastProduct | undefined {
  const last = graph.steps.at(-1);
  if (!graph.choice.fuses || last === undefined || last.tensors["y"] !== y || graph.outputs.has(y.storage)) return;
  const tiling = TILING_OF.get(last.kernel);
  if (tiling === undefined) return;
  const shape = last.shape as MatmulShape; // that of its kernel
  const { TRANSPOSE_A, RESIDUAL, ACCUMULATE } = shape, { a, b, bias } = last.tensors;
  const isPlain = TRANSPOSE_A === 0 && shape.TRANSPOSE_B === TRANSPOSE_B && RESIDUAL === 0 && ACCUMULATE === 0;
  return isPlain ? { tiling, shape, tensors: { a: a!, b: b!, bias: bias! } } : undefined;
}

/** Something to bind where a kernel's switch says that it reads nothing. */
function firstWord(tensor: Tensor): Tensor {
  return { ...tensor, shape: [1], count: 1 };
}
