import { strict as assert } from "node:assert";
import { checkKernel, gpuTest, noise, SLOW_BARRIERS, U } from "../tests/kernels/check.ts";
import { evaluate, evaluateGradient, expectGradient, innerProduct } from "../tests/kernels/finite_differences.ts";
import { rowRms } from "../tests/kernels/rows.ts";
import { rmsNorm } from "./rms_norm.ts";
import { rmsNormBackward } from "./rms_norm_backward.ts";
import { rmsNormWeightsBackward } from "./rms_norm_weights_backward.ts";

const EPSILON = 1e-6;

Deno.test("rmsNorm gives every row unit root mean square before the weight", () => {
  const N = 3, C = 50;
  const inputs = { x: noise(N * C, 1, 7), w: new Float64Array(C).fill(1) };
  const [y] = evaluate(rmsNorm, { shape: { N, C, EPSILON: 0 }, inputs, outputs: ["y"] });
  for (const size of rowRms(y, C)) assert.ok(Math.abs(size - 1) < 1e-14);
});

Deno.test("rmsNorm's backward references agree with finite differences", () => {
  const N = 3, C = 11, x = noise(N * C, 1, 3), w = noise(C, 2), dy = noise(N * C, 4);
  const scalar = (changed: Record<string, Float64Array>) =>
    innerProduct(
      dy,
      evaluate(rmsNorm, { shape: { N, C, EPSILON }, inputs: { x, w, ...changed }, outputs: ["y"] })[0],
    );
  const [inverse] = evaluate(rmsNorm, { shape: { N, C, EPSILON }, inputs: { x, w }, outputs: ["inverse"] });
  const shape = { N, C, ACCUMULATE: 0 };

  const [dx] = evaluateGradient(rmsNormBackward, { shape, inputs: { dy, x, w, inverse }, outputs: ["dx"] });
  expectGradient({ name: "x", at: x, scalar: (x) => scalar({ x }), gradient: dx });

  const [dw] = evaluateGradient(rmsNormWeightsBackward, { shape, inputs: { dy, x, inverse }, outputs: ["dw"] });
  expectGradient({ name: "w", at: w, scalar: (w) => scalar({ w }), gradient: dw });
});

// A row is summed by 64 invocations.
const shapes = [{ N: 1, C: 1 }, { N: 3, C: 63 }, { N: 2, C: 64 }, { N: 33, C: 131 }, { N: 3, C: 516 }];

// Values of some 1e-3 are small enough for ε to count.
for (const { N, C, scale } of [...shapes.map((shape) => ({ ...shape, scale: 3 })), { N: 3, C: 50, scale: 1e-3 }]) {
  gpuTest(`rmsNorm on a GPU is within 2e-6 of its reference's rows for ${N} × ${C} values up to ${scale}`, async () => {
    const shape = { N, C, EPSILON }, inputs = { x: noise(N * C, 1, scale), w: noise(C, 2) };
    const [y, inverse] = evaluate(rmsNorm, { shape, inputs, outputs: ["y", "inverse"] });
    // 1 / √(mean + ε) carries most of the error, some ten roundings (6e-7); a factor of three for other drivers.
    const sizes = rowRms(y, C);
    await checkKernel(rmsNorm, {
      shape,
      inputs,
      tolerances: {
        y: (_, i) => 2e-6 * sizes[Math.floor(i / C)]!,
        inverse: (_, n) => 2e-6 * inverse[n]!,
      },
    });
  });
}

gpuTest(
  "rmsNorm on a GPU reaches the rows beyond 65,535 workgroups, the most that a grid dimension holds",
  async () => {
    const N = 65_537, shape = { N, C: 1, EPSILON }, inputs = { x: noise(N, 1, 3), w: [1] };
    const near = (wanted: number) => 2e-6 * Math.abs(wanted);
    await checkKernel(rmsNorm, { shape, inputs, tolerances: { y: near, inverse: near } });
  },
  { notOnSwiftShader: SLOW_BARRIERS },
);

for (const [k, { N, C }] of shapes.entries()) {
  const ACCUMULATE = k % 2, shape = { N, C, ACCUMULATE };
  gpuTest(`rmsNorm's backward on a GPU equals its reference for ${N} × ${C}, ACCUMULATE ${ACCUMULATE}`, async () => {
    const x = noise(N * C, 1, 3), w = noise(C, 2), dy = noise(N * C, 4);
    const [exact] = evaluate(rmsNorm, { shape: { N, C, EPSILON }, inputs: { x, w }, outputs: ["inverse"] });
    const inverse = Float32Array.from(exact); // as a GPU would find it: only the backward kernels' error is measured

    const inputs = { dy, x, w, inverse, ...(ACCUMULATE === 1 ? { dx: noise(N * C, 5) } : {}) };
    const [dx] = evaluate(rmsNormBackward, { shape, inputs, outputs: ["dx"] });
    // A difference of terms as large as dx: a few roundings each, and the mean's ten.
    const sizes = rowRms(dx, C);
    await checkKernel(rmsNormBackward, {
      shape,
      inputs,
      // One column: the terms cancel but for ε, so what counts is their size and not that of what is left.
      tolerances: {
        dx: (_, i) => C === 1 ? 1e-5 * Math.abs(dy[i]! * w[0]! * inverse[i]!) : 1e-5 * sizes[Math.floor(i / C)]!,
      },
    });

    const weightInputs = { dy, x, inverse, ...(ACCUMULATE === 1 ? { dw: noise(C, 5) } : {}) };
    const sizesOf = Object.fromEntries(Object.entries(weightInputs).map(([name, v]) => [name, v.map(Math.abs)]));
    const [size] = evaluate(rmsNormWeightsBackward, { shape, inputs: sizesOf, outputs: ["dw"] });
    // A tree of N terms: log₂ N roundings of Σ|term|, and 8 for its leaves and the terms themselves.
    await checkKernel(rmsNormWeightsBackward, {
      shape,
      inputs: weightInputs,
      tolerances: { dw: (_, c) => (8 + Math.log2(N)) * U * size[c]! },
    });
  });
}
