import { strict as assert } from "node:assert";
import { checkKernel, gpuTest, noise } from "../tests/kernels/check.ts";
import { evaluate, evaluateGradient, expectGradient, innerProduct } from "../tests/kernels/finite_differences.ts";
import { swiglu } from "./swiglu.ts";
import { swigluBackward } from "./swiglu_backward.ts";

Deno.test("swiglu multiplies SiLU of the first half of a row by its second half", () => {
  const [y] = evaluate(swiglu, { shape: { N: 1, F: 2 }, inputs: { x: [1, -2, 3, 10] }, outputs: ["y"] });
  assert.ok(Math.abs(y[0]! - 3 * 0.7310585786300049) < 1e-15);
  assert.ok(Math.abs(y[1]! + 10 * 0.2384058440442351) < 1e-15);
});

Deno.test("swiglu's backward reference agrees with finite differences", () => {
  const N = 3, F = 7, shape = { N, F }, x = noise(N * 2 * F, 1, 4), dy = noise(N * F, 2);
  const scalar = (x: Float64Array) => innerProduct(dy, evaluate(swiglu, { shape, inputs: { x }, outputs: ["y"] })[0]);
  const [gradient] = evaluateGradient(swigluBackward, {
    shape: { ...shape, ACCUMULATE: 0 },
    inputs: { dy, x },
    outputs: ["dx"],
  });
  expectGradient({ name: "x", at: x, scalar, gradient });
});

for (const [k, { N, F }] of [{ N: 1, F: 1 }, { N: 3, F: 85 }, { N: 2, F: 256 }, { N: 3, F: 684 }].entries()) {
  const { x, size } = inputs(N, F);

  gpuTest(`swiglu on a GPU equals its reference within 2e-6 for ${N} × ${F}`, async () => {
    await checkKernel(swiglu, { shape: { N, F }, inputs: { x }, tolerances: { y: (_, i) => 2e-6 * size(i) } });
  });

  const ACCUMULATE = k % 2;
  gpuTest(`swiglu's backward on a GPU equals its reference for ${N} × ${F}, ACCUMULATE ${ACCUMULATE}`, async () => {
    await checkKernel(swigluBackward, {
      shape: { N, F, ACCUMULATE },
      inputs: { dy: noise(N * F, 2), x, ...(ACCUMULATE === 1 ? { dx: noise(2 * N * F, 3) } : {}) },
      // |dy| ≤ 1, the slope of SiLU is at most 1.1: a gradient is no larger than its factors.
      tolerances: { dx: (_, i) => 2e-6 * size(Math.floor(i / (2 * F)) * F + i % F) },
    });
  });
}

/** Packed rows whose first gates are extreme, and how large the factors of value i are together. */
function inputs(N: number, F: number) {
  const x = noise(N * 2 * F, 1, 6);
  x.set([0, -0, 20, -20, 90, -90, 1000, -1000].slice(0, F));
  const size = (i: number) => {
    const at = Math.floor(i / F) * 2 * F + i % F;
    return Math.max(1, Math.abs(x[at]!)) * Math.max(1, Math.abs(x[at + F]!));
  };
  return { x, size };
}
