import { strict as assert } from "node:assert";
import { matmul } from "./matmul.ts";
import { matmulRows } from "./matmul_rows.ts";
import { BY_SHAPE, formOf, ONE_FORM, type ProductUse, ROWS } from "./product_choice.ts";
import { partLength } from "./tiled_product.ts";
import { TILINGS } from "./tiling.ts";

const layer = { TRANSPOSE_A: 0, TRANSPOSE_B: 1, inF16: false };
const inputGradient = { ...layer, TRANSPOSE_B: 0 }, weightGradient = { ...inputGradient, TRANSPOSE_A: 1 };

/** Every product of a step of a GPT-2 of 124M parameters with so many tokens at once. */
function productsOf124M(tokens: number): ProductUse[] {
  const layers = [[768, 2304], [768, 768], [768, 3072], [3072, 768], [768, 50_257]] as const;
  return layers.flatMap(([inner, outer]) => [
    { ...layer, M: tokens, N: outer, K: inner },
    { ...inputGradient, M: tokens, N: inner, K: outer },
    { ...weightGradient, M: outer, N: inner, K: tokens },
  ]);
}

function workgroups(use: ProductUse): number {
  const { form, split } = BY_SHAPE.product(use), { BM, BN } = TILINGS.find(({ name }) => name === form)!;
  return Math.ceil(use.M / BM) * Math.ceil(use.N / BN) * split;
}

Deno.test("no product of a model of 124M parameters leaves a GPU of a hundred compute units idle", () => {
  for (const tokens of [512, 1024, 2048, 4096]) {
    for (const use of productsOf124M(tokens)) assert.ok(workgroups(use) >= 192, JSON.stringify(use));
  }
});

Deno.test("a product with many tiles is made whole, in larger tiles", () => {
  const use = { ...layer, M: 4096, N: 3072, K: 768 };
  assert.deepEqual(BY_SHAPE.product(use), { form: "64x128x16_8x4", split: 1 });
});

Deno.test("a product with few rows or columns has tiles that are not mostly empty", () => {
  for (const use of [{ ...layer, M: 16, N: 50_257, K: 768 }, { ...layer, M: 4096, N: 10, K: 768 }]) {
    assert.equal(BY_SHAPE.product(use).form, "32x32x16_4x4");
  }
});

Deno.test("a small result of long sums is cut along K, into parts that are not short", () => {
  const { form, split } = BY_SHAPE.product({ ...layer, M: 512, N: 768, K: 3072 });
  assert.deepEqual({ form, split }, { form: "64x64x16_4x4", split: 2 });
  for (const K of [1, 64, 511, 512, 4096, 50_257]) {
    for (const side of [8, 100, 768]) {
      const { split } = BY_SHAPE.product({ ...layer, M: side, N: side, K });
      assert.ok(split === 1 || partLength(K, split) >= 256, `${side} × ${side}, K ${K} in ${split}`);
    }
  }
});

Deno.test("what the parts of a product take together is bounded, whatever its shape", () => {
  for (const M of [5, 33, 64, 500, 4096]) {
    for (const N of [1, 100, 768, 50_257]) {
      const { split } = BY_SHAPE.product({ ...layer, M, N, K: 1 << 20 });
      assert.ok(split === 1 || split * M * N * 4 <= 16 << 20, `${M} × ${N} in ${split}`);
    }
  }
});

Deno.test("few rows times a transposed matrix have a form of their own; few rows otherwise have not", () => {
  assert.equal(BY_SHAPE.product({ ...layer, M: 4, N: 768, K: 768 }).form, ROWS);
  assert.notEqual(BY_SHAPE.product({ ...layer, M: 5, N: 768, K: 768 }).form, ROWS);
  assert.notEqual(BY_SHAPE.product({ ...inputGradient, M: 4, N: 768, K: 768 }).form, ROWS);
});

Deno.test("a form is found by its name, and one that there is not is refused with those that there are", () => {
  assert.equal(formOf(ROWS), matmulRows);
  assert.equal(formOf(ONE_FORM.product({ ...layer, M: 1, N: 1, K: 1 }).form), matmul);
  for (const { name } of TILINGS) assert.match(formOf(name).name, /^matmul/);
  assert.throws(() => formOf("7x7"), /no form '7x7' of a matrix product: rows, 64x64x16_4x4, /);
});
