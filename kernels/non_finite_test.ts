import { strict as assert } from "node:assert";
import { checkKernel, gpuTest, noise } from "../tests/kernels/check.ts";
import { evaluate } from "../tests/kernels/finite_differences.ts";
import { nonFinite } from "./non_finite.ts";

const shape = { COUNT: 1400, TENSORS: 4 }, starts = [0, 3, 900, 900, 1400];

/** Three in the first tensor, one at each end of the second, none in the third (it is empty), one in the last. */
function broken(): Float32Array {
  const x = noise(shape.COUNT, 1);
  for (const [i, value] of [[0, NaN], [1, Infinity], [2, -Infinity], [3, NaN], [899, NaN], [1399, Infinity]] as const) {
    x[i] = value;
  }
  return x;
}

Deno.test("non_finite counts NaN and infinities tensor by tensor", () => {
  const [counts] = evaluate(nonFinite, {
    shape,
    inputs: { x: broken(), starts, norm: [1, 6, 1, 1] },
    outputs: ["counts"],
  });
  assert.deepEqual([...counts], [3, 2, 0, 1]);
});

gpuTest(
  "non_finite on a GPU counts as its reference, and leaves old counts alone where the norm has none",
  async () => {
    for (const count of [6, 0]) {
      await checkKernel(nonFinite, {
        shape,
        inputs: { x: broken(), starts, norm: [1, count, 1, 1], counts: [9, 9, 9, 9] },
      });
    }
  },
);
