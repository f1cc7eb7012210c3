import { strict as assert } from "node:assert";
import { checkKernel, gpuTest, noise, roundingOfF16, U } from "../tests/kernels/check.ts";
import { evaluate } from "../tests/kernels/finite_differences.ts";
import { gelu } from "./gelu.ts";
import { geluBackward } from "./gelu_backward.ts";
import { matmul, type MatmulShape } from "./matmul.ts";
import { matmulGelu, matmulGeluForms } from "./matmul_gelu.ts";
import { matmulGeluBackward, matmulGeluBackwardForms } from "./matmul_gelu_backward.ts";
import { matmulSwiglu, matmulSwigluForms } from "./matmul_swiglu.ts";
import { matmulSwigluBackward, matmulSwigluBackwardForms } from "./matmul_swiglu_backward.ts";
import { swiglu } from "./swiglu.ts";
import { swigluBackward } from "./swiglu_backward.ts";
import { DEFAULT_TILING, TILINGS } from "./tiling.ts";

const forward = { TRANSPOSE_A: 0, TRANSPOSE_B: 1, BIAS: 0, RESIDUAL: 0, ACCUMULATE: 0 };
const backward = { ...forward, TRANSPOSE_B: 0 };

Deno.test("matmul_gelu is matmul, then gelu", () => {
  const M = 3, N = 5, K = 7, COUNT = M * N, inputs = { a: noise(M * K, 1), b: noise(N * K, 2), bias: noise(N, 3) };
  const [product] = evaluate(matmul, { shape: { ...forward, M, N, K, BIAS: 1 }, inputs, outputs: ["y"] });
  const [activated] = evaluate(gelu, { shape: { COUNT }, inputs: { x: product }, outputs: ["y"] });
  const [pre, y] = evaluate(matmulGelu, { shape: { M, N, K, BIAS: 1 }, inputs, outputs: ["pre", "y"] });
  expectAlike([pre, y], [product, activated]);
});

Deno.test("matmul_gelu_backward is matmul, then gelu_backward", () => {
  const M = 3, N = 5, K = 7, COUNT = M * N, inputs = { a: noise(M * K, 1), b: noise(K * N, 2) }, x = noise(COUNT, 3, 4);
  const [dy] = evaluate(matmul, { shape: { ...backward, M, N, K }, inputs, outputs: ["y"] });
  const [dx] = evaluate(geluBackward, { shape: { COUNT, ACCUMULATE: 0 }, inputs: { dy, x }, outputs: ["dx"] });
  const [y] = evaluate(matmulGeluBackward, { shape: { M, N, K }, inputs: { ...inputs, pre: x }, outputs: ["y"] });
  expectAlike([y], [dx]);
});

Deno.test("matmul_swiglu is matmul, then swiglu", () => {
  const M = 3, F = 5, K = 7, inputs = { a: noise(M * K, 1), b: noise(2 * F * K, 2) };
  const [product] = evaluate(matmul, { shape: { ...forward, M, N: 2 * F, K }, inputs, outputs: ["y"] });
  const [activated] = evaluate(swiglu, { shape: { N: M, F }, inputs: { x: product }, outputs: ["y"] });
  expectAlike(evaluate(matmulSwiglu, { shape: { M, F, K }, inputs, outputs: ["pre", "y"] }), [product, activated]);
});

Deno.test("matmul_swiglu_backward is matmul, then swiglu_backward", () => {
  const M = 3, F = 5, K = 7, inputs = { a: noise(M * K, 1), b: noise(K * F, 2) }, x = noise(M * 2 * F, 3, 4);
  const [dy] = evaluate(matmul, { shape: { ...backward, M, N: F, K }, inputs, outputs: ["y"] });
  const [dx] = evaluate(swigluBackward, { shape: { N: M, F, ACCUMULATE: 0 }, inputs: { dy, x }, outputs: ["dx"] });
  expectAlike(evaluate(matmulSwigluBackward, { shape: { M, F, K }, inputs: { ...inputs, pre: x }, outputs: ["y"] }), [
    dx,
  ]);
});

for (const { name, staging } of TILINGS) {
  const inF16 = name === DEFAULT_TILING.name || name === "32x64x16_4x8_blocks";
  const [rows, columns, depth] = staging === "blocks" ? [37, 68, 44] : [37, 67, 41];

  // The bounds are those of the pieces (`matmul_test.ts`, `gelu_test.ts`, `swiglu_test.ts`): what a product is off by is
  // passed on by at most the largest slope, 1.13 of GELU and 1.1 of SiLU, as is the rounding of what is stored in f16; and
  // what an activation adds is 2e-6.
  gpuTest(`the tiling ${name} makes products with GELU, and back, within the roundings of the pieces`, async () => {
    const M = rows, N = columns, K = depth, a = noise(M * K, 1), bias = noise(N, 3), b = noise(N * K, 2);
    const shape = { M, N, K, BIAS: 1 }, inputs = { a, b, bias };
    const off = roundings({ ...forward, M, N, K, BIAS: 1 }, inputs);
    const [pre] = evaluate(matmulGelu, { shape, inputs, outputs: ["pre"] });
    const tolerances = {
      pre: (_: number, i: number) => off(i),
      y: (_: number, i: number, isF16: boolean) =>
        1.13 * (off(i) + (isF16 ? roundingOfF16(pre[i]!) : 0)) + 2e-6 * Math.max(1, Math.abs(pre[i]!)),
    };
    await checkKernel(matmulGeluForms.get(name)!, { shape, inputs, tolerances, inF16 });

    const given = { a, b, pre: noise(M * N, 4, 6) }, sum = roundings({ ...backward, M, N, K }, { a, b });
    const [size] = evaluate(matmul, { shape: { ...backward, M, N, K }, inputs: { a, b }, outputs: ["y"] });
    const y = (_: number, i: number) => 1.13 * sum(i) + 2e-6 * Math.abs(size[i]!);
    const check = { shape: { M, N, K }, inputs: given, tolerances: { y }, inF16 };
    await checkKernel(matmulGeluBackwardForms.get(name)!, check);
  });

  gpuTest(`the tiling ${name} makes products with SwiGLU, and back, within the roundings of the pieces`, async () => {
    const M = rows, F = columns, K = depth, a = noise(M * K, 1), shape = { M, F, K };
    const inputs = { a, b: noise(2 * F * K, 2) }, off = roundings({ ...forward, M, N: 2 * F, K }, inputs);
    const [pre] = evaluate(matmulSwiglu, { shape, inputs, outputs: ["pre"] });
    const tolerances = {
      pre: (_: number, i: number) => off(i),
      y: (_: number, i: number, isF16: boolean) => {
        const at = Math.floor(i / F) * 2 * F + i % F, gate = Math.abs(pre[at]!), up = Math.abs(pre[at + F]!);
        const offAt = (place: number) => off(place) + (isF16 ? roundingOfF16(pre[place]!) : 0);
        return 1.1 * up * offAt(at) + gate * offAt(at + F) + 2e-6 * Math.max(1, gate) * Math.max(1, up);
      },
    };
    await checkKernel(matmulSwigluForms.get(name)!, { shape, inputs, tolerances, inF16 });

    const given = { a, b: noise(F * K, 3), pre: noise(M * 2 * F, 4, 6) };
    const product = { shape: { ...backward, M, N: F, K }, inputs: { a, b: given.b } };
    const sum = roundings(product.shape, product.inputs), [size] = evaluate(matmul, { ...product, outputs: ["y"] });
    const y = (_: number, i: number) => {
      const row = Math.floor(i / (2 * F)), f = i % F, at = row * 2 * F + f;
      const factors = Math.max(1, Math.abs(given.pre[at]!)) * Math.max(1, Math.abs(given.pre[at + F]!));
      return factors * (1.1 * sum(row * F + f) + 2e-6 * Math.abs(size[row * F + f]!));
    };
    await checkKernel(matmulSwigluBackwardForms.get(name)!, { shape, inputs: given, tolerances: { y }, inF16 });
  });
}

function expectAlike(found: readonly Float64Array[], wanted: readonly Float64Array[]): void {
  for (const [k, values] of wanted.entries()) {
    values.forEach((value, i) => assert.ok(Math.abs(found[k]![i]! - value) < 1e-12, `${k} at ${i}: ${found[k]![i]}`));
  }
}

/** What value `i` of a product may be off by: as in `matmul_test.ts`. */
function roundings(
  shape: MatmulShape,
  inputs: Readonly<Record<string, Float32Array>>,
): (i: number) => number {
  const sizes = Object.fromEntries(Object.entries(inputs).map(([name, values]) => [name, values.map(Math.abs)]));
  const [size] = evaluate(matmul, { shape, inputs: sizes, outputs: ["y"] });
  return (i) => (8 + 2 * Math.sqrt(shape.K)) * U * size[i]!;
}
