import { strict as assert } from "node:assert";
import { copy } from "../../kernels/copy.ts";
import { segmentTokens } from "../../kernels/embedding_backward.ts";
import { gelu as geluKernel } from "../../kernels/gelu.ts";
import { whole } from "../device/device.ts";
import { openPlainDevice } from "../device/plain.ts";
import { smallNumbers } from "../../tests/tiny_models.ts";
import { appendBackward } from "./gradient.ts";
import { planMemory } from "./memory.ts";
import * as ops from "./ops.ts";
import { bindSteps, spanOf } from "./plan.ts";
import { Graph, type Tensor } from "./tensor.ts";

/** A function from one parameter matrix to a tensor. */
type Build = (graph: Graph, x: Tensor) => Tensor;

const ROWS = 6, COLUMNS = 8;
const heads = { H: 2, G: 1, D: 2 };

/** Every op where its input has other consumers too, before and after it, so that gradients must be summed. */
const builds: Readonly<Record<string, Build>> = {
  "a sum of a tensor with itself": (graph, x) => ops.gelu(graph, ops.add(graph, x, x)),
  "a sum whose terms have other uses": (graph, x) => {
    const a = ops.gelu(graph, x), b = ops.gelu(graph, a);
    return ops.add(graph, ops.add(graph, a, b), ops.gelu(graph, ops.add(graph, b, a)));
  },
  "a chain of sums that hand one gradient on": (graph, x) => {
    let y = x;
    for (let i = 0; i < 4; i++) y = ops.add(graph, y, ops.gelu(graph, y));
    return y;
  },
  "a linear layer with a residual that is used again": (graph, x) => {
    const weight = constant(graph, [COLUMNS, COLUMNS]), y = ops.gelu(graph, x);
    const z = ops.linear(graph, y, { weight, residual: y });
    return ops.add(graph, ops.linear(graph, ops.gelu(graph, z), { weight, residual: z }), y);
  },
  "an attention whose rows are used again": (graph, x) => {
    const before = ops.gelu(graph, x);
    const y = ops.attention(graph, before, { ...heads, B: 2, T: 3 });
    const weight = constant(graph, [COLUMNS, heads.H * heads.D]);
    return ops.linear(graph, y, { weight, residual: before });
  },
  "a rotation and its input": (graph, x) => {
    const y = ops.gelu(graph, x), table = constant(graph, [16, 2]);
    const positions = graph.bound("positions", [ROWS], { buffer: "positions", start: 0, type: "u32" });
    return ops.add(graph, y, ops.rope(graph, y, { H: 2, G: 1, D: 2, positions, table }));
  },
  "norms and their input": (graph, x) => {
    const weight = constant(graph, [COLUMNS]), bias = constant(graph, [COLUMNS], 128), y = ops.gelu(graph, x);
    const z = ops.add(graph, y, ops.rmsNorm(graph, y, { weight, epsilon: 1e-5 }));
    return ops.add(graph, z, ops.layerNorm(graph, z, { weight, bias, epsilon: 1e-5 }));
  },
  "a swiglu and an embedding of the same rows": (graph, x) => {
    const ids = graph.bound("ids", [ROWS], { buffer: "positions", start: 0, type: "u32" });
    const words = (start: number) => graph.bound("words", [ROWS], { buffer: "positions", start, type: "u32" });
    const uses = { kind: "sorted", order: words(64), stops: words(128) } as const;
    const weight = constant(graph, [COLUMNS, COLUMNS / 2]), y = ops.gelu(graph, x);
    return ops.linear(graph, ops.swiglu(graph, ops.embedding(graph, { ids, table: y, uses })), { weight, residual: y });
  },
  "a table of which the first rows are used in turn, and a tensor with other uses of it": (graph, x) => {
    const ids = graph.bound("ids", [ROWS], { buffer: "turns", start: 0, type: "u32" });
    const uses = { kind: "repeated", rowCount: ROWS / 2 } as const;
    return ops.add(graph, ops.gelu(graph, ops.embedding(graph, { ids, table: x, uses })), ops.gelu(graph, x));
  },
};

/** Read from the parameter arena, after x. A parameter too, as all weights are. */
function constant(graph: Graph, shape: readonly number[], start = 64): Tensor {
  return graph.parameter(`constant (${shape})`, shape, start);
}

for (const [name, build] of Object.entries(builds)) {
  Deno.test(`the gradient of ${name} equals finite differences`, async () => {
    const x = smallNumbers(256, 3), direction = smallNumbers(256, 4), step = 2 ** -14;
    direction.fill(0, ROWS * COLUMNS);
    const move = (by: number) => Float32Array.from(x, (value, i) => value + by * direction[i]!);
    const here = await evaluate(build, move(0));
    const ahead = await evaluate(build, move(step)), behind = await evaluate(build, move(-step));
    const from = move(-step), to = move(step);
    let slope = 0, size = 0;
    for (let i = 0; i < ROWS * COLUMNS; i++) {
      slope += here.gradient[i]! * (to[i]! - from[i]!);
      size += Math.abs(here.gradient[i]! * (to[i]! - from[i]!));
    }
    // Third derivatives of a few at steps of 6e-5: 4e-9 of the slope, times what chains of ops make of it.
    const error = Math.abs(ahead.value - behind.value - slope) / size;
    assert.ok(error < 1e-6, `difference ${ahead.value - behind.value}, slope ${slope}: ${error} of the terms`);
  });
}

/** Σ r·y for fixed r, and its gradient to the parameters, which starts from an upstream gradient that is not 1. */
async function evaluate(build: Build, parameters: Float32Array) {
  const device = openPlainDevice({ precision: "f64" });
  const graph = new Graph({ differentiable: true });
  const y = build(graph, graph.parameter("x", [ROWS, COLUMNS], 0));
  graph.keep(y);
  const upstream = graph.tensor("upstream", y.shape); // a copy: the backward pass may overwrite it
  const source = graph.bound("source", y.shape, { buffer: "upstream", start: 0, type: "f32" });
  graph.run(copy, { COUNT: y.count, ACCUMULATE: 0 }, { x: source, y: upstream });
  appendBackward(graph, new Map([[y, upstream]]));

  const memory = planMemory(graph), r = smallNumbers(y.count, 9);
  const allocate = (words: number) => device.allocate(words, "test");
  const buffers = {
    parameters: allocate(256),
    gradients: allocate(256),
    upstream: allocate(y.count),
    positions: allocate(192),
    turns: allocate(ROWS),
  };
  const places = { memory, slots: memory.slotWords.map(allocate), buffers };
  device.write(whole(buffers.parameters), parameters);
  device.write(whole(buffers.upstream), Float32Array.from(r));
  const ids = Uint32Array.of(0, 3, 1, 3, 5, 2), { order, stops } = segmentTokens(ids), words = new Uint32Array(192);
  [ids, order, stops].forEach((part, i) => words.set(part, 64 * i));
  device.write(whole(buffers.positions), words);
  device.write(whole(buffers.turns), Uint32Array.of(0, 1, 2, 0, 1, 2));
  device.run(await device.prepare(bindSteps(graph, places), "test"));
  const values = device.readExactly(spanOf(y, places)), weights = Float32Array.from(r);
  return {
    value: values.reduce((sum, value, i) => sum + value * weights[i]!, 0),
    gradient: device.readExactly(whole(buffers.gradients)),
  };
}

Deno.test("a gradient that was handed on is not read again: the graph refuses a rule that does", () => {
  const graph = new Graph({ differentiable: true });
  const x = ops.gelu(graph, graph.parameter("x", [ROWS, COLUMNS], 0)), y = graph.tensor("y", x.shape);
  const COUNT = x.count;
  graph.run(geluKernel, { COUNT }, { x, y });
  graph.derive(y, (dy, gradients) => {
    gradients.move(x, dy);
    gradients.add(x, (dx, ACCUMULATE) => copyInto(graph, dx, ACCUMULATE)); // writes what dy was
    graph.run(geluKernel, { COUNT }, { x: dy, y: graph.tensor("late", x.shape) });
  });
  const upstream = ops.gelu(graph, y);
  assert.throws(() => appendBackward(graph, new Map([[y, upstream]])), /has overwritten it/);
});

function copyInto(graph: Graph, target: Tensor, ACCUMULATE: 0 | 1): void {
  graph.run(copy, { COUNT: target.count, ACCUMULATE }, { x: graph.parameter("x", target.shape, 0), y: target });
}

Deno.test("residual sums add no copies of gradients to the backward pass", () => {
  const graph = new Graph({ differentiable: true });
  let y = ops.gelu(graph, graph.parameter("x", [ROWS, COLUMNS], 0));
  const weight = constant(graph, [COLUMNS, COLUMNS]);
  for (let i = 0; i < 3; i++) y = ops.linear(graph, ops.gelu(graph, y), { weight, residual: y });
  const forward = graph.steps.length;
  appendBackward(graph, new Map([[y, ops.gelu(graph, y)]]));
  assert.ok(graph.steps.slice(forward).every(({ kernel }) => kernel !== copy));
});
