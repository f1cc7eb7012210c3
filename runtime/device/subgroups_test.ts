import { strict as assert } from "node:assert";
import { gpuTest, testDevice } from "../../tests/kernels/check.ts";

gpuTest("a GPU that adds and tells by subgroups says so, or tests here do not see the texts that do", async () => {
  const { features, description, faults } = await testDevice();
  const isKnownToHave = /llvmpipe/.test(description); // Mesa's, with which the tests of CI run
  if (!isKnownToHave) console.warn(`${description} has ${[...features].join(", ") || "no features"}`);
  for (const feature of ["subgroups", "broadcasts"] as const) {
    assert.ok(features.has(feature) || !isKnownToHave, `${feature} was not granted, or ${faults!.join("; ")}`);
  }
});
