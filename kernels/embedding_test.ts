import { strict as assert } from "node:assert";
import { checkKernel, gpuTest, noise, U } from "../tests/kernels/check.ts";
import { evaluate, evaluateGradient, expectGradient, innerProduct } from "../tests/kernels/finite_differences.ts";
import { embedding } from "./embedding.ts";
import { embeddingBackward, segmentTokens } from "./embedding_backward.ts";

const exact = () => 0;

Deno.test("embedding's backward reference agrees with finite differences", () => {
  const shape = { N: 6, P: 5, C: 3 }, ids = [4, 0, 4, 2, 4, 0], table = noise(15, 1), dy = noise(18, 2);
  const scalar = (table: Float64Array) =>
    innerProduct(dy, evaluate(embedding, { shape, inputs: { ids, table }, outputs: ["y"] })[0]);
  const [gradient] = evaluateGradient(embeddingBackward, {
    shape: { ...shape, ACCUMULATE: 0 },
    inputs: { ids, ...segmentTokens(Uint32Array.from(ids)), dy },
    outputs: ["dtable"],
  });
  expectGradient({ name: "table", at: table, scalar, gradient });
});

Deno.test("segmentTokens() sorts tokens by id, those of one id in their order, and says where each segment ends", () => {
  const { order, stops } = segmentTokens(Uint32Array.of(4, 0, 4, 2, 4, 0));
  assert.deepEqual([...order], [1, 5, 3, 0, 2, 4]);
  assert.deepEqual([...stops], [2, 0, 3, 6, 0, 0]);
  assert.deepEqual(segmentTokens(Uint32Array.of(7)), { order: Uint32Array.of(0), stops: Uint32Array.of(1) });
});

Deno.test("embedding's backward reference leaves rows without tokens alone where it accumulates, even if they are NaN", () => {
  const ids = [2, 2],
    dtable = [NaN, NaN, 1, NaN],
    inputs = { ids, ...segmentTokens(Uint32Array.from(ids)), dy: [3, 4] };
  const shape = { N: 2, P: 4, C: 1 }, outputs = ["dtable"] as const;
  const [sums] = evaluate(embeddingBackward, {
    shape: { ...shape, ACCUMULATE: 1 },
    inputs: { ...inputs, dtable },
    outputs,
  });
  assert.deepEqual([...sums], [NaN, NaN, 8, NaN]);
  const [fresh] = evaluate(embeddingBackward, { shape: { ...shape, ACCUMULATE: 0 }, inputs, outputs });
  assert.deepEqual([...fresh], [0, 0, 7, 0]);
});

const cases = [
  { title: "one token", N: 1, P: 1, C: 1, id: () => 0 },
  { title: "every token the same", N: 100, P: 3, C: 65, id: () => 2 },
  { title: "as many as are loaded at once, and one more", N: 9, P: 4, C: 3, id: (n: number) => n < 4 ? 1 : 2 },
  { title: "rows of more than 64 places", N: 7, P: 9, C: 260, id: (n: number) => n * 5 % 9 },
  { title: "tokens more than lanes", N: 131, P: 17, C: 37, id: (n: number) => (n * n * 7 + n) % 17 },
  {
    title: "rows more than a grid's dimension",
    N: 5,
    P: 65_537,
    C: 1,
    id: (n: number) => [65_536, 0, 32_768, 65_535, 0][n]!,
  },
];

for (const [k, { title, id, ...shape }] of cases.entries()) {
  const { N, P, C } = shape, ids = Array.from({ length: N }, (_, n) => id(n));

  gpuTest(`embedding on a GPU copies rows exactly: ${title}`, async () => {
    await checkKernel(embedding, { shape, inputs: { ids, table: noise(P * C, 1) }, tolerances: { y: exact } });
  });

  for (const ACCUMULATE of k === 0 ? [0] : [0, 1]) {
    gpuTest(`embedding's backward on a GPU sums rows, ACCUMULATE ${ACCUMULATE}: ${title}`, async () => {
      const segments = segmentTokens(Uint32Array.from(ids));
      const inputs = {
        ids,
        ...segments,
        dy: noise(N * C, 2),
        ...(ACCUMULATE === 1 ? { dtable: noise(P * C, 3) } : {}),
      };
      const sizes = Object.fromEntries(
        Object.entries(inputs).map(([name, values]) => [name, Float64Array.from(values, Math.abs)]),
      );
      const backward = { ...shape, ACCUMULATE };
      const [size] = evaluate(embeddingBackward, { shape: backward, inputs: sizes, outputs: ["dtable"] });
      await checkKernel(embeddingBackward, {
        shape: backward,
        inputs,
        tolerances: { dtable: (_, i) => (8 + Math.log2(N)) * U * size[i]! }, // a sum of at most N + 1 terms
      });
    });
  }
}
