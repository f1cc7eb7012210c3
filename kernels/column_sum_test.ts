import { checkKernel, gpuTest, noise, U } from "../tests/kernels/check.ts";
import { evaluate, evaluateGradient, expectGradient, innerProduct } from "../tests/kernels/finite_differences.ts";
import { columnSum } from "./column_sum.ts";

Deno.test("columnSum is the gradient of a bias that is added to every row", () => {
  const N = 5, C = 3, bias = noise(C, 1), dy = noise(N * C, 2);
  const [gradient] = evaluateGradient(columnSum, { shape: { N, C, ACCUMULATE: 0 }, inputs: { dy }, outputs: ["sum"] });
  const rows = (values: Float64Array) => Float64Array.from({ length: N * C }, (_, i) => values[i % C]!);
  expectGradient({ name: "bias", at: bias, scalar: (values) => innerProduct(dy, rows(values)), gradient });
});

// A workgroup takes 16 columns and gives each to 16 invocations.
for (
  const shape of [
    { N: 1, C: 1, ACCUMULATE: 0 },
    { N: 15, C: 17, ACCUMULATE: 1 },
    { N: 16, C: 16, ACCUMULATE: 0 },
    { N: 131, C: 36, ACCUMULATE: 1 },
    { N: 331, C: 37, ACCUMULATE: 1 },
  ]
) {
  gpuTest(`columnSum on a GPU equals its reference within rounding for ${shape.N} × ${shape.C}`, async () => {
    const { N, C, ACCUMULATE } = shape;
    const inputs = { dy: noise(N * C, 1), ...(ACCUMULATE === 1 ? { sum: noise(C, 2) } : {}) };
    const sizes = Object.fromEntries(Object.entries(inputs).map(([name, values]) => [name, values.map(Math.abs)]));
    const [size] = evaluate(columnSum, { shape, inputs: sizes, outputs: ["sum"] });
    // A tree of N terms: log₂ N roundings of Σ|dy|, and 8 for its leaves, which are short sums.
    await checkKernel(columnSum, {
      shape,
      inputs,
      tolerances: { sum: (_, i) => (8 + Math.log2(N)) * U * size[i]! },
    });
  });
}
