import { strict as assert } from "node:assert";
import { gpuTest, testDevice } from "../../tests/kernels/check.ts";

gpuTest("a GPU that adds by subgroups says so, or this machine's tests do not see the texts that do", async () => {
  const { features, description } = await testDevice();
  const isKnownToHave = /llvmpipe/.test(description); // Mesa's, with which the tests of CI run
  if (!isKnownToHave) console.warn(`${description} has ${[...features].join(", ") || "no features"}`);
  assert.ok(features.has("subgroups") || !isKnownToHave, "its self-test fails, or the feature was not granted");
});
