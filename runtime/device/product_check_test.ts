import { strict as assert } from "node:assert";
import type { GpuFeature } from "../../kernels/kernel.ts";
import { matmulForms } from "../../kernels/matmul.ts";
import { matmulMatrixForms } from "../../kernels/matmul_matrix.ts";
import { gpuTest, testDevice } from "../../tests/kernels/check.ts";
import type { Device } from "./device.ts";
import { openPlainDevice } from "./plain.ts";
import { whyProductsAreWrong } from "./product_check.ts";

/** Computes with the references, and spoils what is read of it. */
function spoiled(spoil: (y: Float32Array) => void): Device {
  const plain = openPlainDevice();
  return {
    ...plain,
    async read(spans) {
      const found = await plain.read(spans);
      found.forEach(spoil);
      return found;
    },
  };
}

const feature: GpuFeature = "subgroup-matrix"; // the other's operands are f16, which the references' device cannot have

Deno.test("forms that compute rightly pass their test, and nothing stays allocated", async () => {
  const device = spoiled(() => {});
  assert.equal(await whyProductsAreWrong(device, feature), null);
  assert.equal(device.memory().bytes, 0);
});

Deno.test("one wrong value, one that is no number, or an error, and a feature is not used", async () => {
  const wrong = spoiled((y) => void (y[y.length - 1]! += 1e-3));
  assert.match(String(await whyProductsAreWrong(wrong, feature)), /^matmul_\S+ makes .* of .*131 × 67 × 77/);
  assert.match(String(await whyProductsAreWrong(spoiled((y) => y.fill(NaN, 5, 6)), feature)), /makes NaN of/);
  const broken = { ...spoiled(() => {}), prepare: () => Promise.reject(new Error("no such thing")) };
  assert.match(String(await whyProductsAreWrong(broken, feature)), /does not work: no such thing/);
});

Deno.test("every feature that forms of products need has forms that its test runs", () => {
  const forms = [...matmulForms.values(), ...matmulMatrixForms.values()];
  const needed = forms.flatMap(({ variants = [] }) => variants.flatMap(({ needs }) => needs ?? []));
  assert.deepEqual([...new Set(needed)].sort(), ["broadcasts", "subgroup-matrix", "subgroup-matrix-f16"]);
});

// Without units their forms are made by the default tiling: so this is of the test itself, and of its operands in f16.
gpuTest("the test of forms finds a GPU right that computes rightly", async () => {
  const device = await testDevice(), bytes = device.memory().bytes;
  assert.equal(await whyProductsAreWrong(device, "subgroup-matrix"), null);
  assert.equal(await whyProductsAreWrong(device, "broadcasts"), null);
  if (device.storesF16) assert.equal(await whyProductsAreWrong(device, "subgroup-matrix-f16"), null);
  assert.equal(device.memory().bytes, bytes);
});
