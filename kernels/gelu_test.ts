import { strict as assert } from "node:assert";
import { checkKernel, gpuTest, noise } from "../tests/kernels/check.ts";
import { evaluate, evaluateGradient, expectGradient, innerProduct } from "../tests/kernels/finite_differences.ts";
import { gelu } from "./gelu.ts";
import { geluBackward } from "./gelu_backward.ts";

/** Small, in the bend, and far outside, where a careless form overflows. */
const EXTREMES = [0, -0, 1e-30, -1e-6, 0.5, -0.75, 3, -3, 5.5, -5.5, 10, -10, 12.9, -13.1, 1e4, -1e4, 1e20, -1e20];

Deno.test("gelu gives the values of PyTorch's tanh form", () => {
  const [y] = evaluate(gelu, { shape: { COUNT: 4 }, inputs: { x: [-1, 0, 0.5, 2] }, outputs: ["y"] });
  // torch.nn.functional.gelu(x, approximate="tanh") in f64
  [-0.15880800939172324, 0, 0.34571400982514394, 1.954597694087775].forEach((wanted, i) =>
    assert.ok(Math.abs(y[i]! - wanted) < 1e-15, `${i}: ${y[i]}`)
  );
});

Deno.test("gelu's backward reference agrees with finite differences", () => {
  const COUNT = 40, x = noise(COUNT, 1, 4), dy = noise(COUNT, 2);
  const scalar = (x: Float64Array) =>
    innerProduct(dy, evaluate(gelu, { shape: { COUNT }, inputs: { x }, outputs: ["y"] })[0]);
  const [gradient] = evaluateGradient(geluBackward, {
    shape: { COUNT, ACCUMULATE: 0 },
    inputs: { dy, x },
    outputs: ["dx"],
  });
  expectGradient({ name: "x", at: x, scalar, gradient });
});

for (const COUNT of [1, 257, 1021, 2052]) {
  gpuTest(`gelu on a GPU equals its reference within 2e-6 for ${COUNT} values`, async () => {
    const x = withExtremes(noise(COUNT, 1, 6));
    await checkKernel(gelu, { shape: { COUNT }, inputs: { x }, tolerances: { y: (_, i) => 2e-6 * size(x[i]!) } });
  });
}

for (const [ACCUMULATE, COUNT] of [[0, 1021], [1, 1021], [0, 2052], [1, 256]] as const) {
  gpuTest(
    `gelu's backward on a GPU equals its reference within 2e-6, ACCUMULATE ${ACCUMULATE}, ${COUNT} values`,
    async () => {
      const x = withExtremes(noise(COUNT, 1, 6)), dy = noise(COUNT, 2, 3);
      await checkKernel(geluBackward, {
        shape: { COUNT, ACCUMULATE },
        inputs: { dy, x, ...(ACCUMULATE === 1 ? { dx: noise(COUNT, 3) } : {}) },
        tolerances: { dx: () => 2e-6 * 3 }, // the slope is at most 1.13 and |dy| at most 3
      });
    },
  );
}

function withExtremes(x: Float32Array): Float32Array {
  x.set(EXTREMES.slice(0, x.length));
  return x;
}

/** exp is good to some 20 units in the last place where the gate is neither 0 nor 1: 1.2e-6 of the value. */
function size(x: number): number {
  return Math.max(1, Math.abs(x));
}
