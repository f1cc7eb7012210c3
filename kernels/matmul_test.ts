import { strict as assert } from "node:assert";
import { checkKernel, gpuTest, noise, U } from "../tests/kernels/check.ts";
import { evaluate, evaluateGradient, expectGradient, innerProduct } from "../tests/kernels/finite_differences.ts";
import { matmul, type MatmulShape } from "./matmul.ts";

const plain = { TRANSPOSE_A: 0, TRANSPOSE_B: 0, BIAS: 0, RESIDUAL: 0, ACCUMULATE: 0 };

Deno.test("matmul's transposes give a linear layer its gradients", () => {
  // y = x·Wᵀ + bias with x (M, K) and W (N, K): exactly the three uses that a model makes of the kernel.
  const M = 5, N = 3, K = 7;
  const x = noise(M * K, 1), w = noise(N * K, 2), bias = noise(N, 3), dy = noise(M * N, 4);
  const layer = (inputs: { a?: Float64Array; b?: Float64Array; bias?: Float64Array }) => {
    const shape = { ...plain, M, N, K, TRANSPOSE_B: 1, BIAS: 1 };
    return innerProduct(dy, evaluate(matmul, { shape, inputs: { a: x, b: w, bias, ...inputs }, outputs: ["y"] })[0]);
  };

  const [dx] = evaluateGradient(matmul, {
    shape: { ...plain, M, N: K, K: N },
    inputs: { a: dy, b: w },
    outputs: ["y"],
  });
  expectGradient({ name: "x", at: x, scalar: (a) => layer({ a }), gradient: dx });

  const [dw] = evaluateGradient(matmul, {
    shape: { ...plain, M: N, N: K, K: M, TRANSPOSE_A: 1 },
    inputs: { a: dy, b: x },
    outputs: ["y"],
  });
  expectGradient({ name: "w", at: w, scalar: (b) => layer({ b }), gradient: dw });

  const dbias = Float64Array.from({ length: N }, (_, n) => dy.reduce((sum, d, i) => i % N === n ? sum + d : sum, 0));
  expectGradient({ name: "bias", at: bias, scalar: (bias) => layer({ bias }), gradient: dbias });
});

Deno.test("matmul gives the same product however its operands are stored", () => {
  const M = 3, N = 4, K = 5, a = noise(M * K, 1), b = noise(K * N, 2);
  const [wanted] = evaluate(matmul, { shape: { ...plain, M, N, K }, inputs: { a, b }, outputs: ["y"] });
  const [found] = evaluate(matmul, {
    shape: { ...plain, M, N, K, TRANSPOSE_A: 1, TRANSPOSE_B: 1 },
    inputs: { a: transposed(a, M, K), b: transposed(b, K, N) },
    outputs: ["y"],
  });
  assert.deepEqual(found, wanted);
});

// Tiles are 64 × 64 × 16: shapes of one value, of one tile, and one above and below a tile.
const shapes: readonly MatmulShape[] = [
  { ...plain, M: 1, N: 1, K: 1, ACCUMULATE: 1 },
  { ...plain, M: 1, N: 131, K: 7, BIAS: 1 },
  { ...plain, M: 2, N: 3, K: 300, TRANSPOSE_B: 1, RESIDUAL: 1 },
  { ...plain, M: 3, N: 2, K: 257, ACCUMULATE: 1 },
  { ...plain, M: 64, N: 64, K: 16 },
  { ...plain, M: 65, N: 63, K: 17, BIAS: 1, RESIDUAL: 1 },
  { ...plain, M: 63, N: 65, K: 15, TRANSPOSE_A: 1, ACCUMULATE: 1 },
  { ...plain, M: 67, N: 129, K: 33, TRANSPOSE_B: 1, BIAS: 1, ACCUMULATE: 1 },
  { ...plain, M: 129, N: 61, K: 31, TRANSPOSE_A: 1, TRANSPOSE_B: 1 },
  { ...plain, M: 128, N: 64, K: 48, TRANSPOSE_A: 1, TRANSPOSE_B: 1, BIAS: 1 },
];
for (const shape of shapes) {
  gpuTest(`matmul on a GPU equals its reference within rounding for ${describe(shape)}`, async () => {
    const { M, N, K, BIAS, RESIDUAL, ACCUMULATE } = shape;
    const inputs = {
      a: noise(M * K, 1),
      b: noise(K * N, 2),
      bias: noise(BIAS === 1 ? N : 1, 3),
      residual: noise(RESIDUAL === 1 ? M * N : 1, 5),
      ...(ACCUMULATE === 1 ? { y: noise(M * N, 4) } : {}),
    };
    // A sum of K products whose errors are independent is off by some √K roundings of Σ|a·b|, the sum of the terms'
    // sizes; 8 roundings more cover short sums, the bias and what was there before.
    const sizes = Object.fromEntries(Object.entries(inputs).map(([name, values]) => [name, values.map(Math.abs)]));
    const [size] = evaluate(matmul, { shape, inputs: sizes, outputs: ["y"] });
    await checkKernel(matmul, { shape, inputs, tolerances: { y: (_, i) => (8 + 2 * Math.sqrt(K)) * U * size[i]! } });
  });
}

function describe({ M, N, K, TRANSPOSE_A, TRANSPOSE_B, BIAS, RESIDUAL, ACCUMULATE }: MatmulShape): string {
  const a = TRANSPOSE_A === 1 ? `(${K} × ${M})ᵀ` : `${M} × ${K}`,
    b = TRANSPOSE_B === 1 ? `(${N} × ${K})ᵀ` : `${K} × ${N}`;
  return `${a} · ${b}${BIAS === 1 ? " + bias" : ""}${RESIDUAL === 1 ? " + residual" : ""}${
    ACCUMULATE === 1 ? " + y" : ""
  }`;
}

function transposed(matrix: Float32Array, rows: number, columns: number): Float32Array {
  return matrix.map((_, i) => matrix[(i % rows) * columns + Math.floor(i / rows)]!);
}
