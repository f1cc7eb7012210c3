import { strict as assert } from "node:assert";
import { checkKernel, gpuTest, noise, U } from "../tests/kernels/check.ts";
import { evaluate, evaluateGradient, expectGradient, innerProduct } from "../tests/kernels/finite_differences.ts";
import { rope, ropeTable } from "./rope.ts";

const shape = { N: 5, ROTATED_HEADS: 3, ROW: 4 * 6 + 1, D: 6, P: 9, INVERSE: 0, ACCUMULATE: 0 };
const inputs = {
  x: noise(shape.N * shape.ROW, 1, 3),
  positions: [0, 8, 3, 3, 1], // the first, the last, one twice
  table: ropeTable({ positionCount: shape.P, headSize: shape.D, base: 10_000 }),
};

Deno.test("rope turns the halves of a head as Llama does", () => {
  const table = ropeTable({ positionCount: 2, headSize: 4, base: 100 }); // angles 1 and 1/10
  const one = { N: 1, ROTATED_HEADS: 1, ROW: 5, D: 4, P: 2, INVERSE: 0, ACCUMULATE: 0 };
  const [y] = evaluate(rope, { shape: one, inputs: { x: [1, 0, 0, 2, 7], positions: [1], table }, outputs: ["y"] });
  [Math.cos(1), -2 * Math.sin(0.1), Math.sin(1), 2 * Math.cos(0.1), 7].forEach((wanted, i) =>
    assert.ok(Math.abs(y[i]! - wanted) < 1e-7, `${i}: ${y[i]}`)
  );
});

Deno.test("rope with INVERSE is the gradient of rope, and undoes it", () => {
  const dy = noise(inputs.x.length, 2);
  const forward = (x: ArrayLike<number>) => evaluate(rope, { shape, inputs: { ...inputs, x }, outputs: ["y"] })[0];
  const [gradient] = evaluateGradient(rope, {
    shape: { ...shape, INVERSE: 1 },
    inputs: { ...inputs, x: dy },
    outputs: ["y"],
  });
  expectGradient({ name: "x", at: inputs.x, scalar: (x) => innerProduct(dy, forward(x)), gradient });

  const turned = forward(inputs.x);
  const [back] = evaluate(rope, { shape: { ...shape, INVERSE: 1 }, inputs: { ...inputs, x: turned }, outputs: ["y"] });
  back.forEach((value, i) => assert.ok(Math.abs(value - inputs.x[i]!) < 1e-6, `${i}`)); // the table is rounded to f32
});

for (const [INVERSE, ACCUMULATE] of [[0, 0], [1, 1], [0, 1], [1, 0]] as const) {
  gpuTest(`rope on a GPU equals its reference, INVERSE ${INVERSE}, ACCUMULATE ${ACCUMULATE}`, async () => {
    await checkKernel(rope, {
      shape: { ...shape, INVERSE, ACCUMULATE },
      inputs: { ...inputs, ...(ACCUMULATE === 1 ? { y: noise(inputs.x.length, 3) } : {}) },
      tolerances: { y: () => 4 * U * 3 }, // at most three roundings of a sum of |x| ≤ 3
    });
  });
}

gpuTest("rope on a GPU equals its reference for heads that are read four values at once", async () => {
  const N = 40, wide = { N, ROTATED_HEADS: 3, ROW: 4 * 8 + 4, D: 8, P: 9, INVERSE: 1, ACCUMULATE: 1 };
  const count = N * wide.ROW, positions = Uint32Array.from({ length: N }, (_, n) => n * 7 % 9);
  await checkKernel(rope, {
    shape: wide,
    inputs: { x: noise(count, 1), positions, table: noise(9 * 8, 2), y: noise(count, 3) },
    tolerances: { y: () => 4 * U * 3 },
  });
});

gpuTest("rope on a GPU copies exactly what it does not turn", async () => {
  const { y } = await checkKernel(rope, { shape, inputs, tolerances: { y: () => 4 * U * 3 } });
  for (let n = 0; n < shape.N; n++) {
    for (let i = n * shape.ROW + 3 * 6; i < (n + 1) * shape.ROW; i++) assert.equal(y![i], inputs.x[i]);
  }
});
