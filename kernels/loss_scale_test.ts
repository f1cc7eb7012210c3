import { strict as assert } from "node:assert";
import { checkKernel, gpuTest, U } from "../tests/kernels/check.ts";
import { evaluate } from "../tests/kernels/finite_differences.ts";
import { lossScale } from "./loss_scale.ts";

const outputs = ["state", "norm"] as const;

/** [name, state before, norm before, state after, norm after], with 8 tokens and growth after 3 good steps. */
const scenes: readonly [string, number[], number[], number[], number[]][] = [
  ["counts a good step", [1024, 0], [512, 0, 1, 1], [1024, 1], [512 / 8192, 0, 1 / 8192, 1024]],
  ["doubles the scale after enough good steps", [1024, 2], [8, 0, 1, 1], [2048, 0], [8 / 8192, 0, 1 / 8192, 1024]],
  ["does not double the largest scale", [2 ** 24, 2], [0, 0, 1, 1], [2 ** 24, 0], [0, 0, 2 ** -27, 2 ** 24]],
  ["halves the scale after a value that is not finite", [1024, 2], [8, 3, 1, 1], [512, 0], [
    8 / 8192,
    3,
    1 / 8192,
    1024,
  ]],
  ["halves the scale after a norm that is not finite", [4, 1], [Infinity, 0, 1, 1], [2, 0], [
    Infinity,
    0,
    1 / 32,
    4,
  ]],
  ["does not halve a scale of 1", [1, 2], [2, 1, 1, 1], [1, 0], [2 / 8, 1, 1 / 8, 1]],
];

for (const [name, state, norm, nextState, nextNorm] of scenes) {
  const check = { shape: { GROWTH_STEPS: 3 }, inputs: { share: [1 / 8], state, norm } };
  Deno.test(`loss_scale ${name}`, () => {
    const found = evaluate(lossScale, { ...check, outputs });
    assert.deepEqual(found.map((values) => [...values]), [nextState, nextNorm]);
  });
  gpuTest(`loss_scale on a GPU ${name}`, async () => {
    const exact = () => 0, tolerance = (wanted: number) => 4 * U * wanted; // a division of 2.5 units, then a product
    await checkKernel(lossScale, { ...check, tolerances: { state: exact, norm: tolerance } });
  });
}
