/**
 * Activations that are not kept for the backward pass, but computed again in the middle of it: memory for time.
 *
 * A backward rule names the tensors of the forward pass that it needs, and knows nothing of this: while a backward pass is
 * appended, a tensor that was let go is replaced by a new one, which the step that made it makes once more, just before
 * its first use; from what was kept, or from what is made again itself. The same kernels on the same values give the
 * same bits, so no level changes what is learned. What it saves, the memory plan finds by the shorter lives.
 * @module
 */
import { gelu } from "../../kernels/gelu.ts";
import type { Kernel } from "../../kernels/kernel.ts";
import { layerNorm } from "../../kernels/layer_norm.ts";
import { matmulGeluForms } from "../../kernels/matmul_gelu.ts";
import { matmulSwigluForms, type MatmulSwigluShape } from "../../kernels/matmul_swiglu.ts";
import { rmsNorm } from "../../kernels/rms_norm.ts";
import { swiglu } from "../../kernels/swiglu.ts";
import type { Graph, Step, Storage, Tensor } from "./tensor.ts";

/**
 * What is computed again: 0 nothing; 1 what costs next to nothing, the outputs of norms and activation functions;
 * 2 whole layers, of which only the input is kept (Chen et al. 2016, arXiv 1604.06174).
 */
export type RecomputeLevel = 0 | 1 | 2;

const CHEAP = new Set<Kernel>([gelu, swiglu, layerNorm, rmsNorm]);
const WITH_GELU = new Set<Kernel>(matmulGeluForms.values()), WITH_SWIGLU = new Set<Kernel>(matmulSwigluForms.values());

export interface RecomputeOptions {
  readonly level: RecomputeLevel;
  /** The steps of the forward pass: what they make may be let go. */
  readonly forward: readonly Step[];
}

/** Appends a backward pass, by `build`. */
export function recomputing(graph: Graph, { level, forward }: RecomputeOptions, build: () => void): void {
  if (level === 0) return build();
  const makers = makersOfDropped(graph, { level, forward }), made = new Map<Storage, Storage>();
  const again = (tensor: Tensor): Tensor => {
    const maker = makers.get(tensor.storage);
    if (maker === undefined) return tensor;
    if (!made.has(tensor.storage)) makeAgain(graph, maker, made);
    return { ...tensor, storage: made.get(tensor.storage)! };
  };
  graph.replacing(again, build);
}

/** By what is not kept, the step that makes it. Not statistics of rows: they are small. */
function makersOfDropped({ checkpoints }: Graph, { level, forward }: RecomputeOptions): ReadonlyMap<Storage, Step> {
  const makers = new Map<Storage, Step>();
  for (const made of forward) {
    const step = level === 2 ? made : cheapStep(made);
    if (step === undefined) continue;
    for (const { storage, shape } of writtenBy(step)) {
      const isKept = storage.home.kind === "bound" || shape.length === 1 || checkpoints.has(storage);
      if (!isKept) makers.set(storage, step);
    }
  }
  return makers;
}

/** What makes the output of a norm or an activation function again; of a product that makes both, the latter alone. */
function cheapStep(step: Step): Step | undefined {
  const { kernel, tensors: { pre, y } } = step;
  if (CHEAP.has(kernel)) return step;
  if (WITH_GELU.has(kernel)) return { kernel: gelu, shape: { COUNT: y!.count }, tensors: { x: pre!, y: y! } };
  if (!WITH_SWIGLU.has(kernel)) return undefined;
  const { M: N, F } = step.shape as MatmulSwigluShape; // that of its kernel
  return { kernel: swiglu, shape: { N, F }, tensors: { x: pre!, y: y! } };
}

/** Once more, into new memory. */
function makeAgain(graph: Graph, step: Step, made: Map<Storage, Storage>): void {
  const fresh = writtenBy(step).map((tensor) => {
    const again = graph.tensor(`${tensor.label}, again`, tensor.shape, tensor.type);
    made.set(tensor.storage, again.storage);
    return [tensor, again] as const;
  });
  const replaced = new Map(fresh);
  const tensors = Object.entries(step.tensors).map(([name, tensor]) => [name, replaced.get(tensor) ?? tensor]);
  graph.run(step.kernel, step.shape, Object.fromEntries(tensors));
}

function writtenBy({ kernel, tensors }: Step): readonly Tensor[] {
  return Object.entries(kernel.bindings).flatMap(([name, { access }]) => access === "write" ? [tensors[name]!] : []);
}
