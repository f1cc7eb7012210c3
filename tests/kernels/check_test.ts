import { strict as assert } from "node:assert";
import { add } from "../../kernels/add.ts";
import { checkKernel, gpuTest, U } from "./check.ts";

const shape = { COUNT: 3 };
const inputs = { a: [1, 2, 3], b: [4, 5, 6] };
const tolerances = { y: (wanted: number) => U * Math.abs(wanted) };

/** `add` with one expression of its WGSL changed, under a name of its own: pipelines are cached by name. */
function broken(from: string, to: string) {
  assert.ok(add.source.includes(from));
  return { ...add, name: `add with ${to}`, source: add.source.replace(from, to) };
}

gpuTest("checkKernel() names the worst value of a kernel that computes something else", async () => {
  const wrong = broken("a[i] + b[i]", "a[i] + b[i] + f32(i) * 1e-5");
  await assert.rejects(checkKernel(wrong, { shape, inputs, tolerances }), /'y' at 2: found 9.00002.*, wanted 9/);
});

gpuTest("checkKernel() sees a value that was never written", async () => {
  const wrong = broken("i < COUNT", "i + 1u < COUNT");
  await assert.rejects(checkKernel(wrong, { shape, inputs, tolerances }), /'y' at 2: found NaN, wanted 9/);
});

gpuTest("checkKernel() sees a kernel that adds to what it should overwrite", async () => {
  const wrong = broken("y[i] =", "y[i] +=");
  await assert.rejects(checkKernel(wrong, { shape, inputs, tolerances }), /found NaN, wanted 5/);
});

gpuTest("checkKernel() asks for a tolerance for each written binding", async () => {
  await assert.rejects(checkKernel(add, { shape, inputs }), /'y' has no tolerance/);
});
