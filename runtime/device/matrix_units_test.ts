import { strict as assert } from "node:assert";
import type { GpuFeature } from "../../kernels/kernel.ts";
import { MATRIX_TILINGS } from "../../kernels/matmul_matrix.ts";
import { gpuTest, testDevice } from "../../tests/kernels/check.ts";
import type { Device } from "./device.ts";
import { type MatrixConfig, matrixFeatures, offeredMatrixUnits, whyMatrixUnitsAreWrong } from "./matrix_units.ts";
import { openPlainDevice } from "./plain.ts";

/** Units with one size in all directions. */
const units = (componentType: string, resultComponentType: string, size: number): MatrixConfig => {
  return { componentType, resultComponentType, M: size, N: size, K: size };
};

Deno.test("of the units that adapters offer, those are features that the forms are made for, and that add in f32", () => {
  const features = (...offered: MatrixConfig[]) => [...matrixFeatures(offered)];
  assert.deepEqual(features(units("f32", "f32", 8), units("f16", "f16", 8)), ["subgroup-matrix"]); // Apple's
  assert.deepEqual(features(units("f16", "f16", 16), units("f16", "f32", 16)), ["subgroup-matrix-f16"]); // NVIDIA's
  assert.deepEqual(features({ ...units("f16", "f32", 16), M: 8 }), []); // Intel's
  assert.deepEqual(features(units("f16", "f16", 16)), []);
  assert.deepEqual(features(), []);
});

Deno.test("an adapter that knows of no units offers none", () => {
  const info: Partial<GPUAdapterInfo> = { vendor: "nvidia" };
  assert.deepEqual(offeredMatrixUnits(info as GPUAdapterInfo), []); // as far as it is looked at
  const offered = [units("f32", "f32", 8)];
  assert.deepEqual(
    offeredMatrixUnits({ ...info, subgroupMatrixConfigs: offered } as unknown as GPUAdapterInfo),
    offered,
  );
});

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

Deno.test("units that compute rightly pass their test, and nothing stays allocated", async () => {
  const device = spoiled(() => {});
  assert.equal(await whyMatrixUnitsAreWrong(device, feature), null);
  assert.equal(device.memory().bytes, 0);
});

Deno.test("one wrong value, one that is no number, or an error, and units are not used", async () => {
  const wrong = spoiled((y) => void (y[y.length - 1]! += 1e-3));
  assert.match(String(await whyMatrixUnitsAreWrong(wrong, feature)), /^its matrix units make .* of .*131 × 67 × 77/);
  assert.match(String(await whyMatrixUnitsAreWrong(spoiled((y) => y.fill(NaN, 5, 6)), feature)), /make NaN of/);
  const broken = { ...spoiled(() => {}), prepare: () => Promise.reject(new Error("no such thing")) };
  assert.match(String(await whyMatrixUnitsAreWrong(broken, feature)), /do not work \(.*\): no such thing/);
});

Deno.test("every feature of matrix units has forms that its test runs", () => {
  assert.deepEqual([...new Set(MATRIX_TILINGS.map(({ needs }) => needs))].sort(), [
    "subgroup-matrix",
    "subgroup-matrix-f16",
  ]);
});

// Without units the forms are made by the default tiling: so this is of the test itself, and of its operands in f16.
gpuTest("the test of matrix units finds a GPU right that computes rightly", async () => {
  const device = await testDevice(), bytes = device.memory().bytes;
  assert.equal(await whyMatrixUnitsAreWrong(device, "subgroup-matrix"), null);
  if (device.storesF16) assert.equal(await whyMatrixUnitsAreWrong(device, "subgroup-matrix-f16"), null);
  assert.equal(device.memory().bytes, bytes);
});
