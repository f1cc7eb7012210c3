import { strict as assert } from "node:assert";
import { type MatrixConfig, matrixFeatures, offeredMatrixUnits } from "./matrix_units.ts";

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
