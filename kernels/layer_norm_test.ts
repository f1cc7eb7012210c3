import { strict as assert } from "node:assert";
import { checkKernel, gpuTest, noise, U } from "../tests/kernels/check.ts";
import { evaluate, evaluateGradient, expectGradient, innerProduct } from "../tests/kernels/finite_differences.ts";
import { rowRms } from "../tests/kernels/rows.ts";
import { layerNorm } from "./layer_norm.ts";
import { layerNormBackward } from "./layer_norm_backward.ts";
import { layerNormWeightsBackward } from "./layer_norm_weights_backward.ts";

const EPSILON = 1e-5;

Deno.test("layerNorm gives every row mean 0 and variance 1 before weight and bias", () => {
  const N = 3, C = 50, x = noise(N * C, 1, 7);
  const inputs = { x, w: new Float64Array(C).fill(1) };
  const [y] = evaluate(layerNorm, { shape: { N, C, EPSILON: 0 }, inputs, outputs: ["y"] });
  for (let n = 0; n < N; n++) {
    const row = y.subarray(n * C, (n + 1) * C);
    assert.ok(Math.abs(row.reduce((sum, value) => sum + value, 0) / C) < 1e-14);
    assert.ok(Math.abs(innerProduct(row, row) / C - 1) < 1e-14);
  }
});

Deno.test("layerNorm's backward references agree with finite differences", () => {
  const N = 3, C = 11, shape = { N, C, EPSILON };
  const inputs = { x: noise(N * C, 1, 3), w: noise(C, 2), b: noise(C, 3) }, dy = noise(N * C, 4);
  const scalar = (changed: Record<string, Float64Array>) =>
    innerProduct(dy, evaluate(layerNorm, { shape, inputs: { ...inputs, ...changed }, outputs: ["y"] })[0]);
  const [mean, inverse] = evaluate(layerNorm, { shape, inputs, outputs: ["mean", "inverse"] });
  const backward = { N, C, ACCUMULATE: 0 }, { x, w, b } = inputs;

  const [dx] = evaluateGradient(layerNormBackward, {
    shape: backward,
    inputs: { dy, x, w, mean, inverse },
    outputs: ["dx"],
  });
  expectGradient({ name: "x", at: x, scalar: (x) => scalar({ x }), gradient: dx });

  const [dw, db] = evaluateGradient(layerNormWeightsBackward, {
    shape: backward,
    inputs: { dy, x, mean, inverse },
    outputs: ["dw", "db"],
  });
  expectGradient({ name: "w", at: w, scalar: (w) => scalar({ w }), gradient: dw });
  expectGradient({ name: "b", at: b, scalar: (b) => scalar({ b }), gradient: db });
});

// A row is summed by 64 invocations.
const shapes = [{ N: 1, C: 1 }, { N: 3, C: 63 }, { N: 2, C: 64 }, { N: 5, C: 257 }, { N: 3, C: 516 }];

for (const { N, C } of shapes) {
  gpuTest(`layerNorm on a GPU equals its reference within 2e-6 of a row's size for ${N} × ${C}`, async () => {
    await checkForward({ N, C, x: noise(N * C, 1, 3) });
  });
}

gpuTest("layerNorm on a GPU keeps its digits when a row's mean is 1000 times its deviation", async () => {
  const N = 3, C = 129;
  await checkForward({ N, C, x: noise(N * C, 1).map((value) => 1000 + value) });
});

gpuTest(
  "layerNorm on a GPU gives the bias for a row of equal values whose sum, rounded, is not 99 times the value",
  async () => {
    await checkForward({ N: 1, C: 99, x: new Float32Array(99).fill(98765.4) });
  },
);

for (const [k, shape] of shapes.entries()) {
  const { N, C } = shape, ACCUMULATE = k % 2;
  gpuTest(`layerNorm's backward on a GPU equals its reference for ${N} × ${C}, ACCUMULATE ${ACCUMULATE}`, async () => {
    await checkBackward({ N, C, ACCUMULATE, x: noise(N * C, 1, 3) });
  });
}

gpuTest("layerNorm's backward on a GPU keeps its digits when a row's mean is 1000 times its deviation", async () => {
  const N = 35, C = 65;
  await checkBackward({ N, C, ACCUMULATE: 1, x: noise(N * C, 1).map((value) => 1000 + value) });
});

async function checkForward({ N, C, x }: { N: number; C: number; x: Float32Array }): Promise<void> {
  const shape = { N, C, EPSILON }, inputs = { x, w: noise(C, 2), b: noise(C, 3) };
  const [y, mean, inverse] = evaluate(layerNorm, { shape, inputs, outputs: ["y", "mean", "inverse"] });
  // 1 / √(variance + ε) carries most of the error, some ten roundings (6e-7); a factor of three for other drivers.
  const sizes = rowRms(y, C);
  // The mean is stored with one rounding and computed with a few.
  await checkKernel(layerNorm, {
    shape,
    inputs,
    tolerances: {
      y: (_, i) => 2e-6 * sizes[Math.floor(i / C)]!,
      mean: (_, n) => 4 * U * Math.max(...x.subarray(n * C, (n + 1) * C).map(Math.abs), Math.abs(mean[n]!)),
      inverse: (_, n) => 2e-6 * inverse[n]!,
    },
  });
}

async function checkBackward(
  { N, C, ACCUMULATE, x }: { N: number; C: number; ACCUMULATE: number; x: Float32Array },
): Promise<void> {
  const shape = { N, C, ACCUMULATE }, dy = noise(N * C, 4), w = noise(C, 2);
  // Rounded as a GPU would find them, so that only the backward kernels' own error is measured.
  const [mean, inverse] = evaluate(layerNorm, {
    shape: { N, C, EPSILON },
    inputs: { x, w },
    outputs: ["mean", "inverse"],
  }).map((values) => Float32Array.from(values)) as [Float32Array, Float32Array];
  const before = <S extends string>(name: S, length: number) => ACCUMULATE === 1 ? { [name]: noise(length, 5) } : {};

  const inputs = { dy, x, w, mean, inverse, ...before("dx", N * C) };
  const [dx] = evaluate(layerNormBackward, { shape, inputs, outputs: ["dx"] });
  const sizes = rowRms(dx, C);
  await checkKernel(layerNormBackward, {
    shape,
    inputs,
    tolerances: { dx: (_, i) => 1e-5 * sizes[Math.floor(i / C)]! },
  });

  const weightInputs = { dy, x, mean, inverse, ...before("dw", C), ...before("db", C) };
  // Σ|term| of each sum: the same kernel on absolute values, with the mean taken out.
  const [dw, db] = evaluate(layerNormWeightsBackward, {
    shape,
    inputs: {
      ...weightInputs,
      dy: dy.map(Math.abs),
      x: x.map((value, i) => Math.abs(value - mean[Math.floor(i / C)]!)),
      mean: new Float32Array(N),
      ...(ACCUMULATE === 1 ? { dw: noise(C, 5).map(Math.abs), db: noise(C, 5).map(Math.abs) } : {}),
    },
    outputs: ["dw", "db"],
  });
  const roundings = (8 + Math.log2(N)) * U; // a tree of N terms, and 8 for its leaves and the terms themselves
  await checkKernel(layerNormWeightsBackward, {
    shape,
    inputs: weightInputs,
    tolerances: { dw: (_, c) => roundings * dw[c]!, db: (_, c) => roundings * db[c]! },
  });
}
