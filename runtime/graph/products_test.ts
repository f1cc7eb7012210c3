import { strict as assert } from "node:assert";
import { BY_SHAPE, type KernelChoice, ONE_FORM, type ProductUse } from "../../kernels/product_choice.ts";
import { DEFAULT_TILING } from "../../kernels/tiling.ts";
import { countingWindows, nameOf, roughWeights, tinyModels } from "../../tests/tiny_models.ts";
import { openPlainDevice } from "../device/plain.ts";
import { inspect } from "../train/inspect.ts";
import { appendBackward } from "./gradient.ts";
import { add, gelu, linear, swiglu } from "./ops.ts";
import { Graph, type Tensor } from "./tensor.ts";

const fusing: KernelChoice = { fuses: true, product: ONE_FORM.product };
const onUnits: KernelChoice = { fuses: true, product: () => ({ form: "64x64x16_matrix", split: 1 }) };
const inParts: KernelChoice = { fuses: true, product: () => ({ form: DEFAULT_TILING.name, split: 3 }) };

for (const model of tinyModels) {
  Deno.test(`losses and gradients of a ${nameOf(model)} are those of other forms of its products`, async () => {
    const options = { model, weights: roughWeights(model), windows: countingWindows(2, model) };
    const looked = (choice: KernelChoice) => {
      const device = openPlainDevice({ precision: "f64" });
      return inspect({ device, ...options, choice, read: (span) => Promise.resolve(device.readExactly(span)) });
    };
    const wanted = await looked(ONE_FORM);
    for (const [name, choice] of Object.entries({ fusing, inParts, onUnits, BY_SHAPE })) {
      const found = await looked(choice);
      assert.ok(Math.abs(found.loss - wanted.loss) < 1e-14, name);
      for (const [parameter, gradient] of wanted.gradients) {
        gradient.forEach((value, i) => {
          const error = Math.abs(found.gradients.get(parameter)![i]! - value);
          assert.ok(error < 1e-14, `${name}: ${parameter} at ${i} is off by ${error}`);
        });
      }
    }
  });
}

/** x (3, 4) through a layer, an activation and a second layer. */
function layers(activation: (graph: Graph, x: Tensor) => Tensor, options: { choice: KernelChoice; bias?: boolean }) {
  const graph = new Graph({ differentiable: true, choice: options.choice });
  const x = input(graph);
  const bias = options.bias === true ? graph.parameter("bias", [10], 192) : undefined;
  const before = linear(graph, x, { weight: graph.parameter("up", [10, 4], 0), bias });
  const middle = activation(graph, before);
  const y = linear(graph, middle, { weight: graph.parameter("down", [4, middle.shape[1]!], 64) });
  return { graph, before, middle, y };
}

function input(graph: Graph): Tensor {
  return graph.bound("x", [3, 4], { buffer: "x", start: 0, type: "f32" });
}

function kernelsOf(graph: Graph): string[] {
  return graph.steps.map(({ kernel }) => kernel.name);
}

function backward(graph: Graph, y: Tensor): string[] {
  const before = graph.steps.length;
  appendBackward(graph, new Map([[y, graph.bound("dy", y.shape, { buffer: "dy", start: 0, type: "f32" })]]));
  return kernelsOf(graph).slice(before);
}

Deno.test("a device that fuses has GELU and its gradient made by the products before them", () => {
  const { graph, y } = layers(gelu, { choice: fusing, bias: true });
  assert.deepEqual(kernelsOf(graph), ["matmul_gelu", "matmul"]);
  assert.deepEqual(backward(graph, y), ["matmul", "matmul_gelu_backward", "matmul", "column_sum", "matmul"]);
});

Deno.test("a device that fuses has SwiGLU and its gradient made by the products before them", () => {
  const { graph, y } = layers(swiglu, { choice: fusing });
  assert.deepEqual(kernelsOf(graph), ["matmul_swiglu", "matmul"]);
  assert.deepEqual(backward(graph, y), ["matmul", "matmul_swiglu_backward", "matmul", "matmul"]);
});

Deno.test("matrix units take over activations too, but SwiGLU, which needs two sums of a place", () => {
  const formed = (names: readonly string[]) => names.map((name) => name.replace(/_64x64x16_matrix$/, " on units"));
  const ofGelu = layers(gelu, { choice: onUnits }), ofSwiglu = layers(swiglu, { choice: onUnits });
  assert.deepEqual(formed(kernelsOf(ofGelu.graph)), ["matmul_gelu on units", "matmul on units"]);
  assert.ok(formed(backward(ofGelu.graph, ofGelu.y)).includes("matmul_gelu_backward on units"));
  assert.deepEqual(formed(kernelsOf(ofSwiglu.graph)), ["matmul on units", "swiglu", "matmul on units"]);
  assert.ok(formed(backward(ofSwiglu.graph, ofSwiglu.y)).includes("matmul_swiglu_backward on units"));
});

Deno.test("an activation has a step of its own on a device that does not fuse, and after a product in parts", () => {
  assert.deepEqual(kernelsOf(layers(gelu, { choice: ONE_FORM }).graph), ["matmul", "gelu", "matmul"]);
  const { graph } = layers(gelu, { choice: inParts });
  assert.deepEqual(kernelsOf(graph), ["matmul_partial", "matmul_sum", "gelu", "matmul_partial", "matmul_sum"]);
});

Deno.test("an activation's gradient has a step of its own where it is added to another, and of what is read back", () => {
  const shared = new Graph({ differentiable: true, choice: fusing });
  const stream = linear(shared, input(shared), { weight: shared.parameter("up", [10, 4], 0) });
  const first = linear(shared, gelu(shared, stream), { weight: shared.parameter("first", [4, 10], 64) });
  const second = linear(shared, stream, { weight: shared.parameter("second", [4, 10], 128) }); // its gradient is first
  const added = backward(shared, add(shared, first, second));
  assert.ok(added.includes("gelu_backward") && !added.includes("matmul_gelu_backward"), added.join(" "));

  const kept = new Graph({ differentiable: true, choice: fusing });
  const before = linear(kept, input(kept), { weight: kept.parameter("up", [10, 4], 0) });
  kept.keep(before);
  gelu(kept, before);
  assert.deepEqual(kernelsOf(kept), ["matmul", "gelu"]);
});

Deno.test("an activation is not taken over by a product that did more, or that did not come right before", () => {
  for (const differentiable of [false, true]) {
    const graph = new Graph({ differentiable, choice: fusing }), x = input(graph);
    const weight = graph.parameter("square", [4, 4], 0);
    const first = linear(graph, x, { weight }), second = linear(graph, x, { weight, residual: first });
    gelu(graph, second);
    gelu(graph, x);
    assert.deepEqual(kernelsOf(graph), ["matmul", "matmul", "gelu", "gelu"]);
  }
});

Deno.test("a product asks for its form by its shape, and by whether it reads f16", () => {
  const asked: ProductUse[] = [];
  const choice: KernelChoice = {
    fuses: false,
    product: (use) => {
      asked.push(use);
      return ONE_FORM.product(use);
    },
  };
  const graph = new Graph({ differentiable: false, activations: "f16", choice });
  const y = linear(graph, input(graph), { weight: graph.parameter("up", [10, 4], 0) });
  linear(graph, y, { weight: graph.parameter("down", [4, 10], 64) });
  const uses = asked.map(({ M, N, K, TRANSPOSE_A, TRANSPOSE_B, inF16 }) => [M, N, K, TRANSPOSE_A, TRANSPOSE_B, inF16]);
  assert.deepEqual(uses, [[3, 10, 4, 0, 1, false], [3, 4, 10, 0, 1, true]]);
});
