/**
 * What must compile, and compute right, of each kernel: one of its texts at a time, and which of its bindings training
 * ever has in f16 together.
 *
 * The latter is taken from the training graphs themselves, so that a new use of a kernel is tested without a word here.
 * @module
 */
import type { Kernel, Shape } from "../../kernels/kernel.ts";
import type { F16Bindings } from "../../kernels/stored.ts";
import { BY_SHAPE, ONE_FORM } from "../../kernels/product_choice.ts";
import { trainingGraph } from "../../runtime/train/training_graph.ts";
import { tinyModels } from "../tiny_models.ts";

/** By kernel and bindings. The one that no graph has makes the copies of matrices. */
const used = new Map<string, F16Bindings>([["copy y", ["y"]]]);
for (const [model, choice] of tinyModels.flatMap((model) => [[model, ONE_FORM], [model, BY_SHAPE]] as const)) {
  const shape = { B: 1, T: model.contextLength, precision: "f16", choice } as const;
  for (const { kernel, tensors } of trainingGraph(model, shape).graph.steps) {
    const f16 = Object.keys(kernel.bindings).filter((name) => tensors[name]!.type === "f16");
    if (f16.length > 0) used.set(`${operationOf(kernel)} ${f16.join(" ")}`, f16);
  }
}

/** Every set of bindings that some use of the kernel has in f16; empty if it has none there. Of all forms alike. */
export function f16Variants(kernel: Pick<Kernel, "name">): readonly F16Bindings[] {
  const operation = operationOf(kernel);
  return [...used].filter(([key]) => key.startsWith(`${operation} `)).map(([, f16]) => f16);
}

/** The same kernel with this text of `textsOf` alone, whatever else would fit. */
export function withText<S extends Shape>(kernel: Kernel<S>, name: string): Kernel<S> {
  return {
    ...kernel,
    variants: (kernel.variants ?? []).filter((variant) => name === `${kernel.name} ${variant.name}`),
  };
}

/** A kernel's name without that of its tiling. */
export function operationOf({ name }: Pick<Kernel, "name">): string {
  return name.replace(/_\d+x\d+x\d+_.*$/, "");
}
