import { strict as assert } from "node:assert";
import { copy } from "../../kernels/copy.ts";
import { matmul } from "../../kernels/matmul.ts";
import type { Device, Dispatch } from "../device/device.ts";
import { openPlainDevice } from "../device/plain.ts";
import { planMemory } from "./memory.ts";
import { alignedWords, bindSteps, prepareParts, spanOf, workOf } from "./plan.ts";
import { Graph } from "./tensor.ts";

/** A product of so many operations, in 10¹⁰; its size in M tells which it is. */
function product(work: number): Dispatch {
  const shape = { M: work * 5000, N: 1000, K: 1000 };
  return {
    kernel: matmul,
    shape: { ...shape, TRANSPOSE_A: 0, TRANSPOSE_B: 0, BIAS: 0, RESIDUAL: 0, ACCUMULATE: 0 },
    spans: {},
  };
}

/** How a device would get dispatches, as the works of the products in each program. */
async function partsOf(works: readonly number[], mostWork: number): Promise<number[][]> {
  const parts: number[][] = [];
  const device: Device = {
    ...openPlainDevice(),
    prepare(dispatches, label) {
      parts.push(dispatches.map(({ shape }) => shape["M"]! / 5000));
      return Promise.resolve({ label, dispatchCount: dispatches.length });
    },
  };
  const prepared = await prepareParts(device, works.map(product), { label: "test", mostWork: mostWork * 1e10 });
  assert.deepEqual(prepared.map(({ work }) => work / 1e10), parts.map((part) => part.reduce((a, b) => a + b)));
  return parts;
}

Deno.test("prepareParts() keeps little work in one program", async () => {
  assert.deepEqual(await partsOf([1, 2, 3], 6), [[1, 2, 3]]);
  assert.deepEqual(await partsOf([], 6), []);
});

Deno.test("prepareParts() cuts much work into programs of at most so much, in order", async () => {
  assert.deepEqual(await partsOf([10, 10, 10, 10, 10, 10], 20), [[10, 10], [10, 10], [10, 10]]);
  assert.deepEqual(await partsOf([10, 10, 10, 10, 10], 29), [[10, 10], [10, 10], [10]]);
  assert.deepEqual(await partsOf([1, 1, 18, 1, 1], 20), [[1, 1, 18], [1, 1]]);
});

Deno.test("prepareParts() runs a dispatch by itself that is too much work alone", async () => {
  assert.deepEqual(await partsOf([30, 1, 1, 26, 100], 20), [[30], [1, 1], [26], [100]]);
});

Deno.test("workOf() goes by words where operations are few for them", () => {
  const buffer = { label: "x", words: 1000 }, span = { buffer, start: 0, words: 1000 };
  const copied = { kernel: copy, shape: { COUNT: 1000, ACCUMULATE: 0 }, spans: { x: span, y: span } };
  assert.equal(workOf(copied), 32 * 2000);
  assert.equal(workOf(product(1)), 1e10);
});

Deno.test("bindSteps() names the buffer that nobody gave and the tensor that no step uses", () => {
  const graph = new Graph({ differentiable: false });
  const x = graph.bound("x", [4], { buffer: "weights", start: 0, type: "f32" }), y = graph.tensor("y", [4]);
  graph.run(copy, { COUNT: 4, ACCUMULATE: 0 }, { x, y });
  const device = openPlainDevice(), memory = planMemory(graph);
  const places = { memory, slots: memory.slotWords.map((words) => device.allocate(words, "slot")), buffers: {} };
  assert.throws(() => bindSteps(graph, places), /Cannot place 'x': no buffer 'weights' was given/);
  assert.throws(() => spanOf(graph.tensor("z", [4]), places), /Cannot find 'z': no step of the planned graph uses it/);
});

Deno.test("alignedWords() is where the next span may start", () => {
  assert.deepEqual([0, 1, 64, 65].map(alignedWords), [0, 64, 64, 128]);
});
