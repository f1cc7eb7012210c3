import { strict as assert } from "node:assert";
import { add } from "../../kernels/add.ts";
import { copy } from "../../kernels/copy.ts";
import { randomWords } from "../model/random.ts";
import { tinyModels } from "../../tests/tiny_models.ts";
import { trainingGraph } from "../train/training_graph.ts";
import { lifetimes, planMemory, uniteSlots } from "./memory.ts";
import { Graph, type Tensor } from "./tensor.ts";

/** Steps that read random earlier tensors, write new ones or go on in place, with some outputs. */
function randomGraph(seed: number): Graph {
  const next = randomWords(seed, 0), below = (bound: number) => next() % bound;
  const graph = new Graph({ differentiable: false });
  const input = graph.bound("input", [8], { buffer: "input", start: 0, type: "f32" });
  const usable: Tensor[] = [];
  const size = () => [1, 8, 8, 40][below(4)]!;
  const pick = () => usable[below(usable.length)]!;
  for (let step = 0; step < 40; step++) {
    const y = graph.tensor(`t${step}`, [size()]), words = y.count;
    if (usable.length === 0 || below(8) === 0) {
      graph.run(copy, { COUNT: words, ACCUMULATE: 0 }, { x: input, y });
      usable.push(y);
    } else if (below(4) === 0) {
      const place = below(usable.length), old = usable[place]!, grown = graph.inPlace(old, `t${step}`);
      graph.run(copy, { COUNT: old.count, ACCUMULATE: 1 }, { x: input, y: grown });
      usable[place] = grown;
    } else {
      graph.run(add, { COUNT: words }, { a: pick(), b: pick(), y });
      usable.push(y);
    }
    if (below(10) === 0) graph.keep(pick());
  }
  return graph;
}

/** Brute force: which storage each slot holds at each step. */
function expectNoSharing(graph: Graph, title: string): void {
  const { slots, slotWords } = planMemory(graph);
  const live = lifetimes(graph);
  for (const { storage } of live) {
    assert.ok(storage.words <= slotWords[slots.get(storage)!]!, `${title}: '${storage.label}' does not fit its slot`);
  }
  for (let step = 0; step < graph.steps.length; step++) {
    const holds = new Map<number, string>();
    for (const { storage, first, last } of live) {
      if (step < first || step > last) continue;
      const slot = slots.get(storage)!, other = holds.get(slot);
      assert.equal(other, undefined, `${title}, step ${step}: '${storage.label}' and '${other}' share slot ${slot}`);
      holds.set(slot, storage.label);
    }
  }
}

Deno.test("planMemory() never lets two live tensors share a slot, in random graphs", () => {
  for (let seed = 0; seed < 200; seed++) expectNoSharing(randomGraph(seed), `seed ${seed}`);
});

Deno.test("planMemory() never lets two live tensors share a slot, in training graphs", () => {
  for (const model of tinyModels) {
    for (const recompute of [0, 1, 2] as const) {
      expectNoSharing(trainingGraph(model, { B: 2, T: 5, recompute }).graph, `${model.family}, level ${recompute}`);
    }
  }
});

Deno.test("planMemory() uses a slot again as soon as its tensor is dead", () => {
  const graph = new Graph({ differentiable: false });
  let x = graph.bound("input", [100], { buffer: "input", start: 0, type: "f32" });
  for (let step = 0; step < 10; step++) {
    const y = graph.tensor(`t${step}`, [100]);
    graph.run(copy, { COUNT: 100, ACCUMULATE: 0 }, { x, y });
    x = y;
  }
  assert.deepEqual(planMemory(graph).slotWords, [100, 100]); // one to read, one to write
});

Deno.test("planMemory() keeps outputs to the end", () => {
  const graph = new Graph({ differentiable: false });
  const input = graph.bound("input", [4], { buffer: "input", start: 0, type: "f32" });
  for (let step = 0; step < 3; step++) {
    const y = graph.tensor(`t${step}`, [4]);
    graph.run(copy, { COUNT: 4, ACCUMULATE: 0 }, { x: input, y });
    graph.keep(y);
  }
  assert.deepEqual(planMemory(graph).slotWords, [4, 4, 4]);
});

Deno.test("uniteSlots() makes slots that every plan fits", () => {
  const plan = (...slotWords: number[]) => ({ slotWords, slots: new Map() });
  assert.deepEqual(uniteSlots([plan(9, 5, 1), plan(7, 6)]), [9, 6, 1]);
});
