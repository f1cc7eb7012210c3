/**
 * Activations that are not kept for the backward pass, but computed again in the middle of it: memory for time.
 *
 * A backward rule names the tensors of the forward pass that it needs, and knows nothing of this: while a backward pass is
 * appended, a tensor that was let go is replaced by a new one, which the step that made it makes once more, just before
 * its first use; from what was kept, or from what is made again itself. The same kernels on the same values give the
 * same bits, and so does an activation by itself that its product had made: no level changes what is learned. What it
 * saves, the memory plan finds by the shorter lives.
 * @module
 */
import { gelu } from "../../kernels/gelu.ts";
import { layerNorm } from "../../kernels/layer_norm.ts";
import { rmsNorm } from "../../kernels/rms_norm.ts";
import { swiglu } from "../../kernels/swiglu.ts";
import { activationOf } from "./products.ts";
import type { Graph, Step, Storage, Tensor } from "./tensor.ts";

/**
 * What is computed again: 0 nothing; 1 what costs next to nothing, the outputs of norms and activation functions;
 * 2 whole layers, of which only the input is kept (Chen et al. 2016, arXiv 1604.06174).
 */
export type RecomputeLevel = 0 | 1 | 2;

const CHEAP = new Set([gelu, swiglu, layerNorm, rmsNorm].map(({ name }) => name));

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

/** By what is not kept, the step that makes it. Matrices alone: statistics of rows are small. */
function makersOfDropped({ checkpoints }: Graph, options: RecomputeOptions): ReadonlyMap<Storage, Step> {
  const { level, forward } = options;
  const again = level === 2 ? forward : forward.flatMap((step) => activationOf(step) ?? step)
    .filter(({ kernel }) => CHEAP.has(kernel.name));
  const makers = again.flatMap((step) =>
    writtenBy(step).filter(({ storage, shape }) =>
      storage.home.kind === "planned" && shape.length === 2 && !checkpoints.has(storage)
    ).map(({ storage }) => [storage, step] as const)
  );
  return new Map(makers);
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
