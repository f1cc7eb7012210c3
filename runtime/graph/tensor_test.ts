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

Deno.test("rows of a tensor are written and read by themselves, and the whole only when all are there", () => {
  const { graph } = graphOf(), whole = graph.tensor("whole", [3, 64]);
  const [one, two, three] = [0, 1, 2].map((first) => graph.rows(whole, { first, count: 1 }));
  const input = graph.bound("input", [64], { buffer: "input", start: 0, type: "f32" });
  const put = (x: Tensor, y: Tensor, ACCUMULATE = 0) => graph.run(copy, { COUNT: x.count, ACCUMULATE }, { x, y });
  put(input, one!);
  put(input, three!);
  put(one!, three!, 1);
  assert.throws(() => put(two!, one!), /'rows 1 to 2 of whole' in copy: nothing has been written there yet/);
  assert.throws(() => put(whole, graph.tensor("y", [3, 64])), /64 of its words have not been written there yet/);
  put(input, two!);
  put(whole, graph.tensor("y", [3, 64]));
});

Deno.test("a later version of some rows leaves the other rows as they were", () => {
  const { graph, input } = graphOf(), whole = graph.tensor("whole", [2, 64]);
  const put = (x: Tensor, y: Tensor, ACCUMULATE = 0) => graph.run(copy, { COUNT: x.count, ACCUMULATE }, { x, y });
  put(graph.bound("input", [2, 64], { buffer: "input", start: 0, type: "f32" }), whole);
  const [first, second] = [0, 1].map((first) => graph.rows(whole, { first, count: 1 })),
    later = graph.inPlace(first!, "l");
  put(second!, later, 1);
  put(second!, graph.tensor("y", [64]));
  for (const stale of [first!, whole]) {
    assert.throws(() => put(stale, graph.tensor("y", stale.shape)), /version 1 of 'whole' has overwritten it/);
  }
  put(later, graph.tensor("y", [64]));
  assert.equal(input.start, 0);
});

Deno.test("rows that a span cannot begin at, or that are not there, are refused", () => {
  const { graph } = graphOf(), x = graph.tensor("x", [4, 32]), half = graph.tensor("h", [4, 64], "f16");
  assert.equal(graph.rows(x, { first: 2, count: 2 }).start, 64);
  assert.equal(graph.rows(half, { first: 2, count: 1 }).start, 64);
  for (const [tensor, first, count] of [[x, 1, 1], [half, 1, 1], [x, 2, 3], [x, 0, 0]] as const) {
    assert.throws(() => graph.rows(tensor, { first, count }), /a range must begin at a multiple of 64 words/);
  }
});
