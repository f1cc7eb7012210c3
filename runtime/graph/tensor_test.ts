import { strict as assert } from "node:assert";
import { copy } from "../../kernels/copy.ts";
import { Graph, type Tensor } from "./tensor.ts";

const graphOf = (): { graph: Graph; input: Tensor; x: Tensor } => {
  const graph = new Graph({ differentiable: false });
  const input = graph.bound("input", [4], { buffer: "input", start: 0, type: "f32" });
  return { graph, input, x: graph.tensor("x", [4]) };
};
const put = (graph: Graph, x: Tensor, y: Tensor, ACCUMULATE = 0) => graph.run(copy, { COUNT: 4, ACCUMULATE }, { x, y });

Deno.test("a graph refuses to read what no step has written", () => {
  const { graph, input, x } = graphOf();
  assert.throws(() => put(graph, x, input), /'x' in copy: nothing has been written there yet/);
});

Deno.test("a graph refuses to add to what no step has written", () => {
  const { graph, input, x } = graphOf();
  assert.throws(() => put(graph, input, x, 1), /'x' in copy: nothing has been written there yet/);
});

Deno.test("a graph refuses to read a version that a later one has overwritten", () => {
  const { graph, input, x } = graphOf();
  put(graph, input, x);
  const later = graph.inPlace(x, "later x");
  put(graph, x, graph.tensor("y", [4])); // still there
  put(graph, input, later, 1);
  put(graph, later, graph.tensor("z", [4]));
  assert.throws(() => put(graph, x, graph.tensor("w", [4])), /'x' in copy: version 1 of 'x' has overwritten it/);
});

Deno.test("a graph refuses a kernel without one of its tensors", () => {
  const { graph, input } = graphOf();
  assert.throws(() => graph.run(copy, { COUNT: 4, ACCUMULATE: 0 }, { x: input }), /copy to the graph: it has no 'y'/);
});
