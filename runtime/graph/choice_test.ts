import { strict as assert } from "node:assert";
import { matmulForms } from "../../kernels/matmul.ts";
import { BY_SHAPE, BY_SUBGROUPS, ONE_FORM, ROWS } from "../../kernels/product_choice.ts";
import { choiceFor } from "./choice.ts";

const layer = { N: 768, K: 768, TRANSPOSE_A: 0, TRANSPOSE_B: 1, inF16: false };

Deno.test("only a software driver whose subgroups tell values has all products by them", () => {
  const gpu = {
    kind: "webgpu",
    description: "a GPU",
    features: new Set(["subgroups", "broadcasts"] as const),
  } as const;
  const software = { ...gpu, description: "llvmpipe, a software driver" };
  assert.equal(choiceFor(gpu), BY_SHAPE);
  assert.equal(choiceFor(software), BY_SUBGROUPS);
  assert.equal(choiceFor({ ...software, features: new Set(["subgroups"]) }), BY_SHAPE);
  assert.equal(choiceFor({ ...software, kind: "cpu" }), ONE_FORM);
});

Deno.test("products by subgroups are whole and of a form that needs them, but for a few rows", () => {
  const { form, split } = BY_SUBGROUPS.product({ ...layer, M: 4096 });
  assert.deepEqual([split, matmulForms.get(form)!.variants!.map(({ needs }) => needs)], [1, ["broadcasts"]]);
  assert.equal(BY_SUBGROUPS.product({ ...layer, M: 1 }).form, ROWS);
});
