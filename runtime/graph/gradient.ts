/**
 * Reverse mode: walks a graph's tape backwards and appends the steps that compute gradients.
 *
 * It knows no op: each op gave its own rule (`ops.ts`). What is decided here is where a gradient lies and whether a
 * contribution overwrites or accumulates:
 *
 * 1. A parameter's gradient is its span of the gradient arena, and every contribution accumulates: over uses of the
 *    parameter, and over micro-batches.
 * 2. Any other tensor's gradient is written by its first contribution and accumulated into by later ones.
 * 3. A gradient can be *moved* instead of copied: when all consumers of a sum have contributed, its gradient is also the
 *    gradient of each term. One term takes over the storage; after that nobody reads the sum's gradient again. It is
 *    safe because a rule runs after the rules of all consumers of its output, and it must move `dy` last, after its own
 *    reads of it. The graph's law 1 catches a rule that breaks this.
 * @module
 */
import { copy } from "../../kernels/copy.ts";
import type { Gradients, Graph, Tensor } from "./tensor.ts";

export interface BackwardOptions {
  /** Ops of the tape that are left for another backward pass: so many of the first. Default 0. */
  readonly after?: number;
  /** Where gradients of some tensors are to be written, instead of memory of their own. */
  readonly places?: ReadonlyMap<Tensor, Tensor>;
}

/**
 * Appends the backward pass of the ops on the tape, and takes them from it.
 * @param seeds Gradients of the last tensors, made by the graph itself (cross-entropy leaves one in its logits).
 */
export function appendBackward(
  graph: Graph,
  seeds: ReadonlyMap<Tensor, Tensor>,
  { after = 0, places = new Map() }: BackwardOptions = {},
): void {
  if (!graph.differentiable) throw new Error("Cannot append a backward pass: the graph was not made for one");
  const gradients = new Map<Tensor, Tensor>(seeds);
  const sink = gradientSink(graph, gradients, places);
  for (const { output, backward } of graph.tape.splice(after).reverse()) {
    const dy = gradients.get(output);
    gradients.delete(output);
    if (dy !== undefined) backward(dy, sink); // an op that nothing depends on has no gradient
  }
}

function gradientSink(
  graph: Graph,
  gradients: Map<Tensor, Tensor>,
  places: ReadonlyMap<Tensor, Tensor>,
): Gradients {
  const ofParameter = ({ label, shape, gradientHome }: Tensor): Tensor | undefined =>
    gradientHome && graph.bound(`gradient of ${label}`, shape, { ...gradientHome, type: "f32" });

  return {
    add(tensor, write) {
      const target = ofParameter(tensor) ?? gradients.get(tensor);
      if (target !== undefined) return write(target, 1);
      const created = places.get(tensor) ?? graph.tensor(`gradient of ${tensor.label}`, tensor.shape, tensor.type);
      gradients.set(tensor, created);
      write(created, 0);
    },
    addWhole(tensor, write) {
      this.add(tensor, (target, ACCUMULATE) => {
        if (ACCUMULATE === 0) return write(target);
        const contribution = graph.tensor(`part of the ${target.label}`, tensor.shape, tensor.type);
        write(contribution);
        graph.run(copy, { COUNT: tensor.count, ACCUMULATE: 1 }, { x: contribution, y: target });
      });
    },
    move(tensor, dy) {
      if (tensor.gradientHome === undefined && !gradients.has(tensor) && !places.has(tensor)) {
        gradients.set(tensor, graph.inPlace(dy, `gradient of ${tensor.label}`));
        return;
      }
      this.add(tensor, (target, ACCUMULATE) => {
        graph.run(copy, { COUNT: tensor.count, ACCUMULATE }, { x: dy, y: target });
      });
    },
  };
}
